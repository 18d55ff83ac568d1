"""The running totals as recordings see them: locked, read and written as sets, always in one order."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.bulk import array_of
from usage_billing.db.rows import read_rows, reader, rows_of_driver
from usage_billing.metering.digest import from_bytes, to_bytes
from usage_billing.metering.new_summaries import ASKED, NewSummary, SummaryKey, asked, create_missing, forget_found


class RunningTotal(msgspec.Struct, gc=False):
    """A locked summary in memory. ``events_hash`` is the stored sum of the hashes of the recordings that count.

    ``boundary`` is the ordinal of the first recording beyond. With ``frozen`` its allowance stays for ever. Alerts look
    at it once its period's total reaches ``next_alert`` (None: never). ``digest`` is what its sum of hashes has gained
    since it was locked; it may be negative. ``place`` is that of its key among those asked for, from 1.
    """

    place: int
    id: int
    allowance: Decimal | None
    total: Decimal
    beyond_limit: Decimal
    events: int
    beyond_events: int
    voids: int
    boundary: int | None
    frozen: bool
    events_hash: bytes
    next_alert: Decimal | None
    digest: int = 0


# PostgreSQL locks the rows in the order of the sort, so two transactions never wait for each other in a circle.
_LOCK = text(f"""
    SELECT k.place, s.id, s.allowance, s.total, s.beyond_limit, s.events, s.beyond_events, s.voids, s.boundary,
        s.frozen, s.events_hash, s.next_alert
    {ASKED}
    ORDER BY s.subscription_id, s.usage_type_id, s.period_start
    FOR UPDATE OF s
""")
# The hashes come as one row of bytes, 32 for each summary.
_SAVE = text("""
    UPDATE usage_summaries AS s
    SET total = v.total, beyond_limit = v.beyond_limit, events = v.events, beyond_events = v.beyond_events,
        voids = v.voids, boundary = v.boundary, allowance = v.allowance, to_rate = true,
        events_hash = substr(CAST(:hashes AS bytea), CAST(32 * v.place - 31 AS int), 32)
    FROM unnest(CAST(:ids AS bigint[]), CAST(:totals AS numeric[]), CAST(:beyonds AS numeric[]),
        CAST(:events AS bigint[]), CAST(:beyond_events AS bigint[]), CAST(:voids AS bigint[]),
        CAST(:boundaries AS bigint[]), CAST(:allowances AS numeric[])) WITH ORDINALITY
        AS v (id, total, beyond_limit, events, beyond_events, voids, boundary, allowance, place)
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
    keys = {new.key: None for new in wanted}
    for new in wanted:
        if new.cut is not None:
            keys |= dict.fromkeys(new.neighbours)
    create_missing(session, wanted)
    totals = _lock(session, list(keys))
    gone = [new for new in wanted if new.key not in totals]
    if gone:  # found before: a start was moved since, or the process goes on with books that were restored
        forget_found()
        create_missing(session, gone)
        totals |= _lock(session, [new.key for new in gone])
    return totals


def save_totals(session: Session, totals: Sequence[RunningTotal]) -> None:
    """Write back totals that ``lock_totals`` gave, and mark them as to be rated."""
    session.execute(
        _SAVE,
        {
            "ids": array_of([total.id for total in totals]),
            "totals": array_of([total.total for total in totals]),
            "beyonds": array_of([total.beyond_limit for total in totals]),
            "events": array_of([total.events for total in totals]),
            "beyond_events": array_of([total.beyond_events for total in totals]),
            "voids": array_of([total.voids for total in totals]),
            "boundaries": array_of([total.boundary for total in totals]),
            "allowances": array_of([total.allowance for total in totals]),
            "hashes": b"".join([to_bytes(from_bytes(total.events_hash) + total.digest) for total in totals]),
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
    rows = session.execute(_LOCK, asked(keys))
    total = reader(rows, RunningTotal)
    return {keys[one.place - 1]: one for one in map(total, rows_of_driver(rows))}
