"""What every command that lists things shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from usage_billing.cli.frame.output import tell

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

Row = TypeVar("Row")
Function = TypeVar("Function", bound=Callable[..., Any])

DEFAULT_LIMIT = 100
MAX_LIMIT = 100_000


def limit_option(function: Function) -> Function:
    """``--limit N``: how many rows at most."""
    return click.option(
        "--limit",
        type=click.IntRange(1, MAX_LIMIT),
        default=DEFAULT_LIMIT,
        show_default=True,
        help="How many at most.",
    )(function)


def first_rows(session: Session, statement: Select[Row], *, limit: int) -> Sequence[Row]:
    """The first ``limit`` rows; says on stderr when there are more, so that a reader does not take them for all."""
    rows = session.scalars(statement.limit(limit + 1)).all()
    if len(rows) > limit:
        tell(f"These are the first {limit}; --limit shows more.")
    return rows[:limit]


def none_of(things: str, *, hint: str, **asked: str | None) -> str:
    """What people are told instead of an empty list: that there are none and what makes one, or that none fit.

    ``asked``: the options that chose among them, by name, each None if it was not given.
    """
    chosen = " ".join(f"--{name} {value}" for name, value in asked.items() if value)
    return f"No {things} fit {chosen}." if chosen else f"There are no {things}: {hint}"


def example(*lines: str) -> str:
    """The end of a ``--help``: what to type."""
    return "\b\nExample:\n" + "\n".join(f"  usage-billing {line}" for line in lines)
