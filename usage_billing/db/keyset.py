"""Lists by keyset: a page begins after the last row of the page before, so page 1,000 costs as much as page 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from usage_billing.db.rows import things_of

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list. ``last`` is the last row's key, to be given as ``after``; None when no rows follow.

    ``keys`` has the key of each row, for a page that is cut.
    """

    rows: list[Row]
    last: tuple[Any, ...] | None
    keys: list[tuple[Any, ...]]


def page_of(
    session: Session,
    statement: Select[Row],
    *,
    by: Sequence[InstrumentedAttribute[Any]],
    after: tuple[Any, ...] | None,
    limit: int,
    newest_first: bool = False,
) -> Page[Row]:
    """Up to ``limit`` rows of ``statement``, ordered by the columns ``by``: together unique, and with an index."""
    if after is not None:
        key: ColumnElement[Any] = tuple_(*by)
        statement = statement.where(key < after if newest_first else key > after)
    order = [column.desc() if newest_first else column.asc() for column in by]
    rows = list(things_of(session, statement.order_by(*order).limit(limit + 1)))
    shown = rows[:limit]
    keys = [tuple(getattr(row, column.key) for column in by) for row in shown]
    return Page(shown, keys[-1] if len(rows) > limit else None, keys)
