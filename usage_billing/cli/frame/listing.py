"""What all commands that list things share: the limit, the text for an empty list, examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from usage_billing.cli.frame.output import tell
from usage_billing.cli.frame.times import TIME
from usage_billing.core.clock import instant_text
from usage_billing.core.spans import ALWAYS, Span

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

Row = TypeVar("Row")
Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_LIMIT = 100
MAX_LIMIT = 100_000


def limit_option(function: Function) -> Function:
    """``--limit N``: how many rows at most."""
    return limit_of("many", usual=DEFAULT_LIMIT)(function)


def limit_of(things: str, *, usual: int) -> Callable[[Function], Function]:
    """``--limit N``: how many ``things`` at most, ``usual`` unless given."""
    return click.option(
        "--limit", type=click.IntRange(1, MAX_LIMIT), default=usual, show_default=True, help=f"How {things} at most."
    )


def span_options(of: str) -> Callable[[Function], Function]:
    """``--from`` and ``--to``, passed on as ``span``: they keep things whose time ``of`` is in it, the end excluded."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def spanned(*, start: datetime | None, end: datetime | None, **given: Any) -> Any:
            if start is not None and end is not None and end <= start:
                raise click.UsageError("--to must be after --from.")
            return function(span=Span(start=start, end=end), **given)

        before = click.option("--to", "end", type=TIME, help="And before then.")(spanned)
        return cast("Function", click.option("--from", "start", type=TIME, help=f"Only {of} from then on.")(before))

    return decorate


def first_rows(session: Session, statement: Select[Row], *, limit: int) -> Sequence[Row]:
    """The first ``limit`` rows. When there are more, a line on stderr says so."""
    return first_of(session.scalars(statement.limit(limit + 1)).all(), limit=limit)


def first_of(rows: Sequence[Row], *, limit: int) -> Sequence[Row]:
    """The first ``limit`` of ``rows``. When there are more, a line on stderr says so."""
    if len(rows) > limit:
        tell(f"These are the first {limit}; --limit shows more.")
    return rows[:limit]


def none_of(things: str, *, hint: str, span: Span = ALWAYS, **asked: str | bool | None) -> str:
    """The text shown to people in place of an empty list: that there are none and what makes one, or that none match.

    ``asked`` has the parameters of the options that narrowed the list, None or False for an option that was not given;
    ``span`` is ``--from`` and ``--to``.
    """
    given = [
        f"--{name.removesuffix('_id').replace('_', '-')}" + ("" if value is True else f" {value}")
        for name, value in asked.items()
        if value
    ]
    given += [f"--{name} {instant_text(at)}" for name, at in (("from", span.start), ("to", span.end)) if at is not None]
    return f"No {things} fit {' '.join(given)}." if given else f"There are no {things}: {hint}"


def example(*lines: str) -> str:
    """The end of a ``--help``: what to type."""
    return "\b\nExample:\n" + "\n".join(f"  usage-billing {line}" for line in lines)
