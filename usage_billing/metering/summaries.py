"""The running totals as recordings see them: locked, read and written as sets, always in one order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows, reader
from usage_billing.metering.budget import CutPeriod, budgets_of
from usage_billing.metering.digest import from_bytes, to_bytes


class SummaryKey(NamedTuple):
    """What identifies a summary. Summaries are locked in the order of these fields."""

    subscription_id: str
    usage_type_id: str
    period_start: datetime


@dataclass(slots=True)
class RunningTotal:
    """A locked summary in memory. ``digest`` is the sum of the hashes of the recordings that count.

    ``boundary`` is the ordinal of the first recording beyond. With ``frozen`` its allowance stays for ever. Alerts look
    at it once its period's total reaches ``next_alert`` (None: never).
    """

    id: int
    allowance: Decimal | None
    total: Decimal
    beyond_limit: Decimal
    events: int
    beyond_events: int
    voids: int
    boundary: int | None
    frozen: bool
    digest: int
    next_alert: Decimal | None = None


@dataclass(frozen=True, slots=True)
class NewSummary:
    """A summary that may not be stored yet: its segment, when that is invoiced, and its allowance.

    ``limit`` is its allowance unless it has a ``share``: the billing period, and which segment of it this is. ``cut``
    is that period if others are in it.
    """

    key: SummaryKey
    period_end: datetime
    bills_at: datetime
    quota_id: int | None
    limit: Decimal | None
    share: tuple[CutPeriod, int] | None = None
    cut: CutPeriod | None = None

    @property
    def allowance(self) -> Decimal | None:
        """That with which it begins: its budget, if the other segments of its period are empty."""
        if self.share is None:
            return self.limit
        period, place = self.share
        return budgets_of(period)[place]

    @property
    def neighbours(self) -> list[SummaryKey]:
        """The keys of all segments of its billing period, in order, its own included."""
        if self.cut is None:
            return [self.key]
        return [self.key._replace(period_start=piece.start) for piece in self.cut.parts]


# PostgreSQL locks the rows in the order of the sort, so two transactions never wait for each other in a circle.
_LOCK = text("""
    SELECT s.subscription_id, s.usage_type_id, s.period_start, s.id, s.allowance, s.total, s.beyond_limit,
        s.events, s.beyond_events, s.voids, s.boundary, s.frozen, s.events_hash, s.next_alert
    FROM usage_summaries AS s
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]))
        AS k (subscription_id, usage_type_id, period_start) USING (subscription_id, usage_type_id, period_start)
    ORDER BY s.subscription_id, s.usage_type_id, s.period_start
    FOR UPDATE OF s
""")
_THERE = text("""
    SELECT s.subscription_id, s.usage_type_id, s.period_start FROM usage_summaries AS s
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]))
        AS k (subscription_id, usage_type_id, period_start) USING (subscription_id, usage_type_id, period_start)
""")
_CREATE = text("""
    INSERT INTO usage_summaries (subscription_id, usage_type_id, period_start, period_end, bills_at, quota_id,
        allowance, total, beyond_limit, events, beyond_events, events_hash, to_rate)
    SELECT *, 0, 0, 0, 0, decode(repeat('00', 32), 'hex'), true
    FROM unnest(CAST(:subscriptions AS text[]), CAST(:types AS text[]), CAST(:starts AS timestamptz[]),
        CAST(:ends AS timestamptz[]), CAST(:bills AS timestamptz[]), CAST(:quotas AS bigint[]),
        CAST(:allowances AS numeric[]))
    ON CONFLICT DO NOTHING
""")
_SAVE = text("""
    UPDATE usage_summaries AS s
    SET total = v.total, beyond_limit = v.beyond_limit, events = v.events, beyond_events = v.beyond_events,
        voids = v.voids, boundary = v.boundary, allowance = v.allowance, events_hash = v.events_hash,
        to_rate = true
    FROM unnest(CAST(:ids AS bigint[]), CAST(:totals AS numeric[]), CAST(:beyonds AS numeric[]),
        CAST(:events AS bigint[]), CAST(:beyond_events AS bigint[]), CAST(:voids AS bigint[]),
        CAST(:boundaries AS bigint[]), CAST(:allowances AS numeric[]), CAST(:hashes AS bytea[]))
        AS v (id, total, beyond_limit, events, beyond_events, voids, boundary, allowance, events_hash)
    WHERE s.id = v.id
""")
# Summaries beside those of a batch are not locked by it, and billing or a fold that holds one may wait for the batch.
_NEXT_ALERTS = text("""
    WITH wanted AS MATERIALIZED (
        SELECT *
        FROM unnest(CAST(:ids AS bigint[]), CAST(:lines AS numeric[])) AS v (id, line)
    ), free AS MATERIALIZED (
        SELECT s.id
        FROM usage_summaries AS s
        JOIN wanted AS w ON w.id = s.id
        WHERE s.next_alert IS DISTINCT FROM w.line
        ORDER BY s.subscription_id, s.usage_type_id, s.period_start
        FOR UPDATE OF s SKIP LOCKED
    )
    UPDATE usage_summaries AS s
    SET next_alert = w.line
    FROM free AS f
    JOIN wanted AS w ON w.id = f.id
    WHERE s.id = f.id
""")
_OTHER_LINES = text("""
    SELECT DISTINCT s.subscription_id
    FROM usage_summaries AS s
    JOIN unnest(CAST(:ids AS bigint[]), CAST(:lines AS numeric[])) AS v (id, line) ON v.id = s.id
    WHERE s.next_alert IS DISTINCT FROM v.line
""")
_TO_WATCH = text("""
    SELECT subscription_id, usage_type_id, period_start
    FROM usage_summaries
    WHERE subscription_id = ANY(CAST(:subscriptions AS text[])) AND (next_alert IS NOT NULL OR period_end > :now)
""")


def lock_totals(session: Session, wanted: Collection[NewSummary]) -> dict[SummaryKey, RunningTotal]:
    """Lock the summaries of ``wanted``, creating those that are missing, and return where each stands.

    With a summary of a period that is cut, those of its other segments are locked as well, as far as they are there.
    """
    totals = _lock(session, sorted({key for new in wanted for key in new.neighbours}))
    missing = sorted((new for new in wanted if new.key not in totals), key=lambda new: new.key)
    if missing:
        create_summaries(session, missing)
        totals |= _lock(session, [new.key for new in missing])
    return totals


def create_summaries(session: Session, wanted: Sequence[NewSummary]) -> None:
    """Store empty summaries; those that are there already are left as they are."""
    session.execute(
        _CREATE,
        {
            **_columns([new.key for new in wanted]),
            "ends": [new.period_end for new in wanted],
            "bills": [new.bills_at for new in wanted],
            "quotas": [new.quota_id for new in wanted],
            "allowances": [new.allowance for new in wanted],
        },
    )


def stored_keys(session: Session, keys: Sequence[SummaryKey]) -> set[SummaryKey]:
    """Those of these keys of which there is a summary; nothing is locked."""
    rows = session.execute(_THERE, _columns(keys))
    key = reader(rows, SummaryKey)
    return {key(row) for row in rows}


def save_totals(session: Session, totals: Sequence[RunningTotal]) -> None:
    """Write back totals that ``lock_totals`` or ``lock_total`` gave, and mark them as to be rated."""
    session.execute(
        _SAVE,
        {
            "ids": [total.id for total in totals],
            "totals": [total.total for total in totals],
            "beyonds": [total.beyond_limit for total in totals],
            "events": [total.events for total in totals],
            "beyond_events": [total.beyond_events for total in totals],
            "voids": [total.voids for total in totals],
            "boundaries": [total.boundary for total in totals],
            "allowances": [total.allowance for total in totals],
            "hashes": [to_bytes(total.digest) for total in totals],
        },
    )


def set_next_alerts(session: Session, lines: Mapping[int, Decimal | None]) -> list[str]:
    """Let alerts look at each of these summaries, by id, once its period's total reaches its line (None: never).

    Those that another transaction has locked stay as they are; returns their subscriptions.
    """
    asked = {"ids": list(lines), "lines": list(lines.values())}
    session.execute(_NEXT_ALERTS, asked)
    return sorted(session.scalars(_OTHER_LINES, asked))


def keys_to_watch(session: Session, subscription_ids: Collection[str], *, now: datetime) -> list[SummaryKey]:
    """The summaries of these subscriptions that alerts look at, and those of periods that are not over by ``now``."""
    asked = {"subscriptions": list(subscription_ids), "now": now}
    return read_rows(session.execute(_TO_WATCH, asked), SummaryKey)


def _lock(session: Session, keys: Sequence[SummaryKey]) -> dict[SummaryKey, RunningTotal]:
    rows = session.execute(_LOCK, _columns(keys))
    key = reader(rows, SummaryKey)
    return {key(row): _running(row) for row in rows}


def _running(row: Row[Any]) -> RunningTotal:
    return RunningTotal(
        id=row.id,
        allowance=row.allowance,
        total=row.total,
        beyond_limit=row.beyond_limit,
        events=row.events,
        beyond_events=row.beyond_events,
        voids=row.voids,
        boundary=row.boundary,
        frozen=row.frozen,
        digest=from_bytes(row.events_hash),
        next_alert=row.next_alert,
    )


def _columns(keys: Sequence[SummaryKey]) -> dict[str, list[Any]]:
    return {
        "subscriptions": [key.subscription_id for key in keys],
        "types": [key.usage_type_id for key in keys],
        "starts": [key.period_start for key in keys],
    }
