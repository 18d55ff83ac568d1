"""The running totals: locked, read and written as sets, always in one order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session


class SummaryKey(NamedTuple):
    """What a summary is of. The order of the fields is the order of locks."""

    subscription_id: str
    usage_type_id: str
    period_start: datetime


@dataclass(slots=True)
class RunningTotal:
    """A locked summary in memory. ``limit`` is that of the quota version its marks follow."""

    id: int
    limit: Decimal | None
    total: Decimal
    beyond_limit: Decimal
    events: int
    beyond_events: int


@dataclass(frozen=True, slots=True)
class NewSummary:
    """A summary that may not be there yet."""

    key: SummaryKey
    period_end: datetime
    quota_id: int | None


# The lock is taken row by row in the order of the sort: two transactions never wait for each other crosswise.
_LOCK = text(
    "SELECT s.subscription_id, s.usage_type_id, s.period_start, s.id, s.quota_id, s.total, s.beyond_limit,"
    " s.events, s.beyond_events FROM usage_summaries AS s"
    " JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]))"
    " AS k (subscription_id, usage_type_id, period_start) USING (subscription_id, usage_type_id, period_start)"
    " ORDER BY s.subscription_id, s.usage_type_id, s.period_start FOR UPDATE OF s"
)
# Not joined above: whoever waits there for billing sees the new quota_id, but joins it to the quotas of before.
_LIMITS = text("SELECT id, monthly_limit FROM usage_quotas WHERE id = ANY(CAST(:ids AS bigint[]))")
_CREATE = text(
    "INSERT INTO usage_summaries (subscription_id, usage_type_id, period_start, period_end, quota_id,"
    " total, beyond_limit, events, beyond_events, to_rate)"
    " SELECT *, 0, 0, 0, 0, true FROM unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]),"
    " CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:quotas AS bigint[]))"
    " ON CONFLICT DO NOTHING"
)
_SAVE = text(
    "UPDATE usage_summaries AS s SET total = v.total, beyond_limit = v.beyond_limit, events = v.events,"
    " beyond_events = v.beyond_events, to_rate = true"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:totals AS numeric[]), CAST(:beyonds AS numeric[]),"
    " CAST(:events AS bigint[]), CAST(:beyond_events AS bigint[]))"
    " AS v (id, total, beyond_limit, events, beyond_events) WHERE s.id = v.id"
)


def lock_totals(session: Session, wanted: Collection[NewSummary]) -> dict[SummaryKey, RunningTotal]:
    """Lock the summaries of ``wanted``, creating those that are missing, and return where each stands."""
    ordered = sorted(wanted, key=lambda new: new.key)
    totals = _lock(session, [new.key for new in ordered])
    missing = [new for new in ordered if new.key not in totals]
    if missing:
        session.execute(
            _CREATE,
            {
                **_columns([new.key for new in missing]),
                "ends": [new.period_end for new in missing],
                "quotas": [new.quota_id for new in missing],
            },
        )
        totals |= _lock(session, [new.key for new in missing])
    return totals


def save_totals(session: Session, totals: Sequence[RunningTotal]) -> None:
    """Write back what ``lock_totals`` gave, and tell billing that there is something to rate."""
    session.execute(
        _SAVE,
        {
            "ids": [total.id for total in totals],
            "totals": [total.total for total in totals],
            "beyonds": [total.beyond_limit for total in totals],
            "events": [total.events for total in totals],
            "beyond_events": [total.beyond_events for total in totals],
        },
    )


def _lock(session: Session, keys: Sequence[SummaryKey]) -> dict[SummaryKey, RunningTotal]:
    rows = session.execute(_LOCK, _columns(keys)).all()
    quota_ids = {row.quota_id for row in rows if row.quota_id is not None}
    limits = {row.id: row.monthly_limit for row in session.execute(_LIMITS, {"ids": list(quota_ids)})}
    return {
        SummaryKey(*row[:3]): RunningTotal(
            id=row.id,
            limit=limits.get(row.quota_id),
            total=row.total,
            beyond_limit=row.beyond_limit,
            events=row.events,
            beyond_events=row.beyond_events,
        )
        for row in rows
    }


def _columns(keys: Sequence[SummaryKey]) -> dict[str, list[Any]]:
    return {
        "subscriptions": [key.subscription_id for key in keys],
        "types": [key.usage_type_id for key in keys],
        "starts": [key.period_start for key in keys],
    }


_LOCK_TO_RATE = text(
    "SELECT id, subscription_id, usage_type_id, period_start, period_end, quota_id, total, beyond_limit, events,"
    " beyond_events FROM usage_summaries WHERE to_rate AND subscription_id = ANY(CAST(:subscriptions AS text[]))"
    " AND period_start <= :as_of ORDER BY subscription_id, usage_type_id, period_start FOR UPDATE"
)
_SETTLE = text(
    "UPDATE usage_summaries AS s SET to_rate = false, quota_id = v.quota_id, beyond_limit = v.beyond_limit,"
    " beyond_events = v.beyond_events"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:quotas AS bigint[]), CAST(:beyonds AS numeric[]),"
    " CAST(:beyond_events AS bigint[])) AS v (id, quota_id, beyond_limit, beyond_events) WHERE s.id = v.id"
)


@dataclass(slots=True)
class Unrated:
    """A locked summary whose present total billing has not seen."""

    id: int
    subscription_id: str
    usage_type_id: str
    period_start: datetime
    period_end: datetime
    quota_id: int | None
    total: Decimal
    beyond_limit: Decimal
    events: int
    beyond_events: int


def lock_unrated(session: Session, subscription_ids: Collection[str], *, as_of: datetime) -> list[Unrated]:
    """Lock what is to be rated, in the order that recordings lock in too."""
    rows = session.execute(_LOCK_TO_RATE, {"subscriptions": list(subscription_ids), "as_of": as_of})
    return [Unrated(*row) for row in rows]


def settle(session: Session, summaries: Sequence[Unrated]) -> None:
    """Say that billing has seen these totals, under these quotas."""
    if summaries:
        session.execute(
            _SETTLE,
            {
                "ids": [summary.id for summary in summaries],
                "quotas": [summary.quota_id for summary in summaries],
                "beyonds": [summary.beyond_limit for summary in summaries],
                "beyond_events": [summary.beyond_events for summary in summaries],
            },
        )
