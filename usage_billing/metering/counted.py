"""The summaries of meters: they have no recordings of their own, and are told what was counted for them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.metering.new_summaries import SummaryKey

_IDS = text("""
    SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start
    FROM usage_summaries AS s
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]))
        AS k (subscription_id, usage_type_id, period_start) USING (subscription_id, usage_type_id, period_start)
""")
# Also those that the caller is to rate: two transactions that lock in two goes can wait for each other in a circle.
_LOCK = text("""
    SELECT id, total
    FROM usage_summaries
    WHERE id = ANY(CAST(:ids AS bigint[]))
        OR (to_rate AND subscription_id = ANY(CAST(:subscriptions AS text[]))
            AND usage_type_id = ANY(CAST(:types AS text[])))
    ORDER BY subscription_id, usage_type_id, period_start
    FOR UPDATE
""")
_TO_RATE = text("""
    SELECT subscription_id, usage_type_id, period_start
    FROM usage_summaries
    WHERE to_rate AND subscription_id = ANY(CAST(:subscriptions AS text[]))
        AND usage_type_id = ANY(CAST(:types AS text[]))
""")
_COUNTING = text("SELECT id FROM usage_summaries WHERE id = ANY(CAST(:ids AS bigint[])) AND events > voids")
_LAST = text("SELECT max(occurred_at) FROM usage WHERE summary_id = :summary AND ordinal > :after AND ordinal <= :upto")
_MOVE = text("""
    UPDATE usage_summaries AS s
    SET total = greatest(v.value, 0), events = s.events + v.added, voids = s.voids + v.taken, to_rate = true,
        beyond_limit = greatest(greatest(v.value, 0) - s.allowance, 0)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:values AS numeric[]), CAST(:added AS bigint[]),
        CAST(:taken AS bigint[])) AS v (id, value, added, taken)
    JOIN usage_summaries AS before ON before.id = v.id
    WHERE s.id = v.id
    RETURNING s.subscription_id, s.usage_type_id, s.period_start,
        s.beyond_limit > 0 AND before.beyond_limit = 0 AS passed,
        s.next_alert IS NOT NULL AND s.total <> before.total AS watched
""")


class Counted(NamedTuple):
    """What a meter's summary has come to: its signed value, and how many recordings came and went since last time."""

    value: Decimal
    added: int
    taken: int


class Moved(NamedTuple):
    """The summaries of meters that went beyond their allowance, and those whose total changed and alerts look at."""

    passed: list[SummaryKey]
    watched: list[SummaryKey]


def ids_of(session: Session, keys: Sequence[SummaryKey]) -> dict[SummaryKey, int]:
    """The ids of the summaries that are there, by their keys."""
    rows = session.execute(
        _IDS,
        {
            "subscriptions": [key.subscription_id for key in keys],
            "types": [key.usage_type_id for key in keys],
            "starts": [key.period_start for key in keys],
        },
    )
    return {SummaryKey(row.subscription_id, row.usage_type_id, row.period_start): row.id for row in rows}


def counting(session: Session, ids: Collection[int]) -> set[int]:
    """Those of these summaries in which a recording counts."""
    return set(session.scalars(_COUNTING, {"ids": list(ids)})) if ids else set()


def last_occurred(session: Session, summary_id: int, *, after: int, upto: int) -> datetime | None:
    """When the last of these recordings of a summary occurred, by their ordinals; None if there are none."""
    found: datetime | None = session.scalar(_LAST, {"summary": summary_id, "after": after, "upto": upto})
    return found


def lock_counted(
    session: Session, ids: Collection[int], *, to_rate_of: Collection[str], usage_types: Collection[str]
) -> dict[int, Decimal]:
    """Lock summaries of meters in the order of all writers, with those of ``to_rate_of`` that are to be rated.

    Returns the totals that they have, by id.
    """
    rows = session.execute(_LOCK, {"ids": list(ids), "subscriptions": list(to_rate_of), "types": list(usage_types)})
    return {row.id: row.total for row in rows}


def to_rate_of_types(
    session: Session, subscription_ids: Collection[str], usage_types: Collection[str]
) -> list[SummaryKey]:
    """The summaries of these subscriptions and usage types that are to be rated; nothing is locked."""
    rows = session.execute(_TO_RATE, {"subscriptions": list(subscription_ids), "types": list(usage_types)})
    return read_rows(rows, SummaryKey)


def move_counted(session: Session, counted: Mapping[int, Counted]) -> Moved:
    """Tell locked summaries what they have come to, and return what is to be told and judged for it.

    A value below 0 counts as 0; billing has to look at them.
    """
    if not counted:
        return Moved([], [])
    rows = session.execute(
        _MOVE,
        {
            "ids": list(counted),
            "values": [one.value for one in counted.values()],
            "added": [one.added for one in counted.values()],
            "taken": [one.taken for one in counted.values()],
        },
    )
    found = Moved([], [])
    for row in rows:
        key = SummaryKey(row.subscription_id, row.usage_type_id, row.period_start)
        found.passed.extend([key] * row.passed)
        found.watched.extend([key] * row.watched)
    return found
