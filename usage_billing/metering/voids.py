"""Usage that counts from an instant on: how much there is, and taking all of it back at once."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select, text, true
from sqlalchemy.orm import Session

from usage_billing.core.instants import INSTANT
from usage_billing.core.spans import Used
from usage_billing.db.rows import read_rows
from usage_billing.metering.models import Usage, UsageVoid

_USED = text("""
    SELECT s.period_start, min(u.occurred_at) AS first, max(u.occurred_at) AS last
    FROM usage_summaries AS s
    JOIN usage AS u ON u.summary_id = s.id
    WHERE s.subscription_id = :subscription AND s.usage_type_id = :type AND s.period_end > :since
        AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
    GROUP BY s.id, s.period_start
""")
_VOID = text(
    "INSERT INTO usage_voids (usage_id, summary_id, ordinal, voided_at, voided_by, reason)"
    " SELECT v.id, v.summary, s.voids + row_number() OVER (PARTITION BY v.summary ORDER BY v.place), :now, :by, :reason"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:summaries AS bigint[])) WITH ORDINALITY AS v (id, summary, place)"
    " JOIN usage_summaries AS s ON s.id = v.summary"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterUsage:
    """How many recordings count from an instant on, and when the latest of them occurred."""

    recordings: int
    latest: datetime

    @property
    def first_free(self) -> datetime:
        """The first instant after all of them."""
        return self.latest + INSTANT


class CountingUsage(NamedTuple):
    """A recording that counts."""

    id: UUID
    summary_id: int
    quantity: Decimal
    beyond_limit: Decimal


def later_usage(
    session: Session, subscription_id: str, *, since: datetime, until: datetime | None = None
) -> LaterUsage | None:
    """What counts of a subscription from ``since`` to before ``until`` (None: for ever); None when nothing does."""
    statement = select(func.count().label("recordings"), func.max(Usage.occurred_at).label("latest")).where(
        _counts(subscription_id, since, until)
    )
    found = session.execute(statement).one()
    return LaterUsage(recordings=found.recordings, latest=found.latest) if found.recordings else None


def counting_usage(
    session: Session, subscription_id: str, *, since: datetime, until: datetime | None = None
) -> dict[int, list[CountingUsage]]:
    """The recordings themselves, in the order recorded, by summary."""
    found: dict[int, list[CountingUsage]] = defaultdict(list)
    statement = select(Usage.id, Usage.summary_id, Usage.quantity, Usage.beyond_limit).where(
        _counts(subscription_id, since, until)
    )
    for row in session.execute(statement.order_by(Usage.summary_id, Usage.ordinal)):
        found[row.summary_id].append(CountingUsage(row.id, row.summary_id, row.quantity, row.beyond_limit))
    return found


def counting_of(session: Session, summary_ids: Collection[int]) -> Iterator[tuple[datetime, Decimal]]:
    """When each recording of these summaries that counts occurred, and its quantity, in the order recorded."""
    voided = exists().where(UsageVoid.usage_id == Usage.id)
    statement = select(Usage.occurred_at, Usage.quantity).where(Usage.summary_id.in_(summary_ids), ~voided)
    for row in session.execute(statement.order_by(Usage.summary_id, Usage.ordinal)):
        yield row.occurred_at, row.quantity


def used_after(session: Session, subscription_id: str, usage_type_id: str, *, since: datetime) -> list[Used]:
    """The summaries of a subscription and usage type that end after ``since`` and in which a recording counts."""
    asked = {"subscription": subscription_id, "type": usage_type_id, "since": since}
    return read_rows(session.execute(_USED, asked), Used)


def insert_voids(
    session: Session, usage: dict[int, list[CountingUsage]], *, reason: str, by: str, now: datetime
) -> None:
    """Say of these recordings, whose summaries are locked, that they count no more."""
    rows = [row for found in usage.values() for row in found]
    session.execute(
        _VOID,
        {
            "ids": [row.id for row in rows],
            "summaries": [row.summary_id for row in rows],
            "now": now,
            "by": by,
            "reason": reason,
        },
    )


def _counts(subscription_id: str, since: datetime, until: datetime | None) -> ColumnElement[bool]:
    voided = exists().where(UsageVoid.usage_id == Usage.id)
    before = true() if until is None else Usage.before(until)
    return and_(Usage.of(subscription_id), Usage.since(since), before, ~voided)
