"""Lists by pages of at most 100 rows, each beginning after the last row of the page before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from api.pagination import read_cursor
from usage_billing.core.cursors import cursor_text
from usage_billing.db.keyset import page_of
from usage_billing.wire.noun import Noun, Shape, show
from web.admin.blueprint import address
from web.admin.desk import Desk

ROWS = 100


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a page as the API shows them, and the address of the page that follows; empty on the last."""

    rows: list[Shape]
    following: str


def listed(
    desk: Desk,
    statement: Select[Any],
    query: dict[str, str],
    *,
    noun: Noun,
    by: Sequence[InstrumentedAttribute[Any]],
    kind: Any,
    path: Sequence[str],
    newest_first: bool = False,
    viewed: Callable[[Sequence[Any]], Sequence[Any]] | None = None,
    beside: Callable[[Any], Shape] = lambda _: {},
    currency: str = "",
) -> Listed:
    """The page of ``statement`` that begins at the ``after`` of the query; raises Unreadable for what is no cursor.

    ``beside`` is what a page says of a row beside what the API does; ``currency`` is of money that says none itself.
    """
    after = read_cursor(query.get("after"), kind)
    page = page_of(desk.session, statement, by=by, after=after, limit=ROWS, newest_first=newest_first)
    rows = page.rows if viewed is None else viewed(page.rows)
    following = "" if page.last is None else address(*path, **(query | {"after": cursor_text(page.last)}))
    return Listed([show(noun, row, currency=currency) | beside(row) for row in rows], following)
