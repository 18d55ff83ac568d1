"""Lists by keyset: a page begins after the last row of the one before, so the thousandth costs what the first did."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows; ``last`` is the key of the last of them when there are more, to be given as ``after``."""

    rows: list[Row]
    last: tuple[Any, ...] | None


def page_of(
    session: Session,
    statement: Select[Row],
    *,
    by: Sequence[InstrumentedAttribute[Any]],
    after: tuple[Any, ...] | None,
    limit: int,
    newest_first: bool = False,
) -> Page[Row]:
    """Up to ``limit`` rows of ``statement`` in the order of ``by``, which is unique together and has an index."""
    if after is not None:
        key: ColumnElement[Any] = tuple_(*by)
        statement = statement.where(key < after if newest_first else key > after)
    order = [column.desc() if newest_first else column.asc() for column in by]
    rows = list(session.scalars(statement.order_by(*order).limit(limit + 1)))
    if len(rows) <= limit:
        return Page(rows, None)
    last = rows[limit - 1]
    return Page(rows[:limit], tuple(getattr(last, column.key) for column in by))
