"""Commands that can be rehearsed: their options, and how what a dry run found is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from usage_billing.cli.frame.database import actor, connected
from usage_billing.cli.frame.driving import drive
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.output import pick, print_json, print_parts
from usage_billing.cli.frame.types import DIGEST
from usage_billing.core.clock import utc_now
from usage_billing.wire.billing_run import RUN
from usage_billing.wire.noun import show

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from usage_billing.billing_runs.models import BillingRun
    from usage_billing.flows.administration.agree import Precaution
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


@contextmanager
def careful(
    *, dry_run: bool, expect_digest: str | None, subscription_id: str | None = None, takes_back: bool = False
) -> Iterator[tuple[Session, Precaution]]:
    """A session for a change, or to look at one, and how careful that is.

    What is left of ``subscription_id`` is counted before a look; with ``takes_back`` the change takes recordings back.
    """
    from usage_billing.db.session import read_only, transaction
    from usage_billing.flows.administration.agree import Precaution
    from usage_billing.flows.folding.drive_reads import foreseeing

    check_rehearsal(dry_run=dry_run, expect_digest=expect_digest)
    with connected() as (settings, engine):
        session_of = read_only if dry_run else transaction
        if dry_run and subscription_id is not None:
            session_of = partial(foreseeing, subscription_id=subscription_id, takes_back=takes_back)
        precaution = Precaution(dry_run=dry_run, expected_digest=expect_digest, adjust_within=settings.adjust_within)
        with session_of(engine) as session:
            yield session, precaution


def rehearse(opening: Callable[..., BillingRun], *, as_json: bool) -> None:
    """Do a dry run of a change of a plan in this process, and print what it found; ``opening`` opens it.

    Exits 1 if a subscription could not be reckoned.
    """
    with connected() as (settings, engine):
        shape = show(RUN, drive(settings, engine, partial(opening, actor=actor(), now=utc_now())))
    if as_json:
        print_json(shape)
    else:
        told = pick(shape, "id", "status", "subscriptions", "invoices", "items", "digest")
        found = shape["foreseen"] or {}
        told |= {name: value for name, value in found.items() if name != "subscriptions"}
        empty = {"altered": "Nothing is charged or given back."}
        print_parts(told | {"altered": found.get("subscriptions", [])}, empty, as_json=False)
    if shape["warnings"] or shape["status"] != "completed":
        raise click.exceptions.Exit(ExitCode.FINDINGS)


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
