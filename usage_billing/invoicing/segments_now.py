"""The segments of meters that come to something else by now than is stored, because time went by."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.catalog.quotas import QuotaBook
from usage_billing.db.session import once_while_agreed
from usage_billing.invoicing.levels_now import SegmentNow, levels_now
from usage_billing.invoicing.metered_periods import periods_again
from usage_billing.metering.counted import ids_of
from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.meters.moving import any_moving
from usage_billing.meters.queries import ActiveMeter, active_meters
from usage_billing.subscriptions.lifecycle import Timeline

_NOTHING = Decimal(0)
_OPEN = text("""
    SELECT s.subscription_id, s.usage_type_id, s.period_start, t.unit_name
    FROM usage_summaries AS s
    JOIN usage_types AS t ON t.id = s.usage_type_id
    WHERE s.subscription_id = ANY(CAST(:subscriptions AS text[])) AND s.usage_type_id = ANY(CAST(:types AS text[]))
        AND (s.to_rate OR s.bills_at > :now)
    ORDER BY s.subscription_id, s.usage_type_id, s.period_start
""")


def segments_now(
    session: Session, timelines: Mapping[str, Timeline], quotas: QuotaBook, *, now: datetime
) -> Iterator[SegmentNow]:
    """Those of levels, which go on, and those that have begun in periods whose value is divided by time."""
    yield from levels_now(session, timelines, quotas, now=now)
    if any_moving(session).shared:
        meters = once_while_agreed(session, "shared meters", lambda: _shared(session))
        yield from _begun(session, timelines, quotas, meters, now=now)


def _shared(session: Session) -> Mapping[str, ActiveMeter]:
    return {name: one for name, one in active_meters(session).items() if one.is_divided and one.level is None}


def _begun(
    session: Session,
    timelines: Mapping[str, Timeline],
    quotas: QuotaBook,
    meters: Mapping[str, ActiveMeter],
    *,
    now: datetime,
) -> Iterator[SegmentNow]:
    """All begun segments of the periods in which one has no summary yet."""
    asked = {"subscriptions": list(timelines), "types": list(meters), "now": now}
    rows = session.execute(_OPEN, asked).all()
    every = periods_again(
        (SummaryKey(row.subscription_id, row.usage_type_id, row.period_start) for row in rows),
        meters,
        timelines,
        quotas,
    )
    cut = replace(every, agreed={key: one for key, one in every.agreed.items() if len(one.parts) > 1}, strays=())
    if not cut.agreed:
        return
    ids = ids_of(session, [place.key for place in cut.places()])
    missing = cut.missing(ids, as_of=now)
    if not missing:
        return
    begun = {(*place.key[:2], place.agreed.period) for place in missing}
    here = replace(cut, agreed={key: one for key, one in cut.agreed.items() if key in begun})
    ids |= {place.key: -number for number, place in enumerate(missing, start=1)}
    values = here.values(session, ids)
    units = {row.usage_type_id: row.unit_name for row in rows}
    for key, agreed, part in here.places():
        if key in ids:
            total = max(values[ids[key]], _NOTHING)
            yield SegmentNow(max(ids[key], 0), *key[:2], units[key.usage_type_id], agreed, part, total)
