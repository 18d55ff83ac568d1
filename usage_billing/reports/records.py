"""The recordings of a subscription, newest first, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from msgspec import Raw
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from usage_billing.db.rows import reader
from usage_billing.metering.models import first_place
from usage_billing.reports.record_status import RecordState

# ``Usage.of`` says why the condition on the subscription has this form. With a plain one the planner would expect next
# to no rows, and sort all of the subscription's recordings for each page.
# Recordings of one instant whose ordinals lie close together share a place. The inner query reads all that share the
# last place (WITH TIES), the outer one orders them by id. Only those of the page are looked up among the voids.
_PAGE = """
    SELECT page.*, v.voided_at, k.id AS recorded_by FROM (
        SELECT usage_place(occurred_at, ordinal) AS place, id, usage_type_id AS usage_type, quantity, beyond_limit,
            occurred_at, received_at, recorded_at, idempotency_key, source, CAST(metadata AS text) AS stored_metadata,
            recorded_by AS key_number
        FROM usage
        WHERE hashtextextended(subscription_id, 0) = hashtextextended(:subscription, 0)
            AND coalesce(subscription_id = :subscription, false)
            {conditions}
        ORDER BY hashtextextended(subscription_id, 0) DESC, usage_place(occurred_at, ordinal) DESC
        FETCH FIRST (:limit) ROWS WITH TIES
    ) AS page
    LEFT JOIN usage_voids AS v ON v.usage_id = page.id
    LEFT JOIN api_keys AS k ON k.number = page.key_number
    ORDER BY page.place DESC, page.id DESC LIMIT :limit
"""
_CONDITIONS = {
    "usage_type": "AND usage_type_id = :usage_type",
    "start": "AND usage_place(occurred_at, ordinal) >= :start",
    "end": "AND usage_place(occurred_at, ordinal) < :end",
    "after": "AND (usage_place(occurred_at, ordinal), id) < (:after, :after_id)",
}

_NOTHING = Decimal(0)

Position = tuple[int, UUID]
"""Where a page ended: the place of its last recording, and its id."""


@dataclass(frozen=True, slots=True)
class Record:
    """A recording in the books; ``stored_metadata`` is JSON text. One with ``voided_at`` was taken back."""

    id: UUID
    usage_type: str
    quantity: Decimal
    beyond_limit: Decimal
    occurred_at: datetime
    received_at: datetime
    recorded_at: datetime
    idempotency_key: str
    source: str
    stored_metadata: str
    voided_at: datetime | None
    recorded_by: UUID | None

    @property
    def status(self) -> RecordState:
        """Whether it counts."""
        return RecordState.RECORDED if self.voided_at is None else RecordState.VOIDED

    @property
    def within_limit(self) -> Decimal:
        """The part of the quantity that the allowance covers; nothing of what was taken back."""
        return self.quantity - self.beyond_limit if self.voided_at is None else _NOTHING

    @property
    def metadata(self) -> Any:
        """The stored JSON text, unread: reading it would pass its numbers through floats."""
        return Raw(self.stored_metadata.encode())


@dataclass(frozen=True, slots=True)
class Records:
    """A page of recordings; ``last`` is where it ended, None when no page follows; ``keys``: where each row stands."""

    rows: list[Record]
    last: Position | None
    keys: list[Position]


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

    The query walks an index from where the last page ended, so the thousandth page costs as much as the first.
    """
    asked: dict[str, Any] = {
        "usage_type": usage_type,
        "start": start and first_place(start),
        "end": end and first_place(end),
    }
    if after is not None:
        asked["after"], asked["after_id"] = after
    given = {name: value for name, value in asked.items() if value is not None}
    statement = _page(*(name for name in _CONDITIONS if name in given))
    found = session.execute(statement, given | {"subscription": subscription_id, "limit": limit + 1})
    record, rows = reader(found, Record), found.all()
    records = [record(row) for row in rows[:limit]]
    keys = [(row.place, row.id) for row in rows[:limit]]
    return Records(records, keys[-1] if len(rows) > limit else None, keys)


@cache
def _page(*given: str) -> TextClause:
    """The statement for a page under the conditions named in ``given``."""
    return text(_PAGE.format(conditions=" ".join(_CONDITIONS[name] for name in given)))
