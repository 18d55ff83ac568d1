"""Commands that can be rehearsed: their options, and how what a dry run found is printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from usage_billing.cli.frame.output import pick, print_parts
from usage_billing.cli.frame.types import DIGEST

if TYPE_CHECKING:
    from usage_billing.wire.noun import Shape

_Command = TypeVar("_Command", bound=Callable[..., Any])


def rehearsable(command: _Command) -> _Command:
    """The options of a change that can be looked at before it is made."""
    command = click.option("--expect-digest", type=DIGEST, help="Refuse unless it does what a dry run showed.")(command)
    return click.option("--dry-run", is_flag=True, help="Change nothing: what would it charge and give back?")(command)


def check_rehearsal(*, dry_run: bool, expect_digest: str | None) -> None:
    """Refuse both options together; raises UsageError."""
    if dry_run and expect_digest:
        raise click.UsageError("--expect-digest is for real changes; a dry run shows its own.")


def print_foreseen(shape: Shape) -> None:
    """What a dry run found: when it would hold, the charges it would alter, and what is left of allowances."""
    foreseen = shape["foreseen"]
    told = pick(shape, "id", "effectiveAt", "changed", "voidedRecordings") | pick(foreseen, "until", "digest")
    charges = [
        pick(invoice, "kind", "closesAt") | pick(item, "description", "amountBefore", "amount", "difference")
        for invoice in foreseen["invoices"]
        for item in invoice["items"]
    ]
    parts = told | {"charges": charges, "allowances": foreseen["allowances"]}
    empty = {"charges": "Nothing is charged or given back.", "allowances": "There are none."}
    print_parts(parts, empty, as_json=False)
