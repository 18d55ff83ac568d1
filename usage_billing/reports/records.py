"""The recordings of a subscription, newest first, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from usage_billing.metering.models import first_place, within_reach

# As Usage.of has it, for the same reasons; expecting next to nothing the planner would sort all there is.
_SELECT = (
    "SELECT * FROM (SELECT id, usage_type_id, quantity, beyond_limit, occurred_at, received_at, recorded_at,"
    " idempotency_key, source, CAST(metadata AS text) FROM usage"
    " WHERE hashtextextended(subscription_id, 0) = hashtextextended(:subscription, 0)"
    " AND coalesce(subscription_id = :subscription, false)"
)
_CONDITIONS = {
    "usage_type": " AND usage_type_id = :usage_type",
    "start": " AND usage_place(occurred_at, id) >= :start",
    "end": " AND usage_place(occurred_at, id) < :end",
    "after": " AND (usage_place(occurred_at, id), id) < (usage_place(:after, :after_id), :after_id)",
}
# Many may have one place, though a thousandth of those of an instant: they come together, and are put in order after.
_ORDER = (
    " ORDER BY hashtextextended(subscription_id, 0) DESC, usage_place(occurred_at, id) DESC"
    " FETCH FIRST (:limit) ROWS WITH TIES) AS page ORDER BY usage_place(occurred_at, id) DESC, id DESC LIMIT :limit"
)

Position = tuple[datetime, UUID]
"""Where a page ended: when its last recording occurred, and its id."""


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded use; ``metadata`` is JSON text, so that no number in it passes through a float."""

    id: UUID
    usage_type: str
    quantity: Decimal
    beyond_limit: Decimal
    occurred_at: datetime
    received_at: datetime
    recorded_at: datetime
    idempotency_key: str
    source: str
    metadata: str

    @property
    def within_limit(self) -> Decimal:
        """The part of the quantity that the allowance covers."""
        return self.quantity - self.beyond_limit


@dataclass(frozen=True, slots=True)
class Records:
    """A page; ``last`` is where it ended when there are more."""

    rows: list[Record]
    last: Position | None


def records_of(
    session: Session,
    subscription_id: str,
    *,
    limit: int,
    after: Position | None = None,
    usage_type: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Records:
    """Up to ``limit`` recordings that occurred from ``start`` to ``end`` (exclusive), after the page ``after``.

    Walks an index from where the last page ended: the thousandth page costs what the first did.
    """
    asked: dict[str, Any] = {
        "usage_type": usage_type,
        "start": start and first_place(start),
        "end": end and first_place(end),
    }
    if after is not None:
        asked["after"], asked["after_id"] = within_reach(after[0]), after[1]
    given = {name: value for name, value in asked.items() if value is not None}
    statement = _page(*(name for name in _CONDITIONS if name in given))
    found = session.execute(statement, given | {"subscription": subscription_id, "limit": limit + 1})
    rows = [Record(*row) for row in found]
    if len(rows) <= limit:
        return Records(rows, None)
    last = rows[limit - 1]
    return Records(rows[:limit], (last.occurred_at, last.id))


@cache
def _page(*given: str) -> TextClause:
    """The statement of a page under these conditions, by name."""
    return text("".join((_SELECT, *(_CONDITIONS[name] for name in given), _ORDER)))
