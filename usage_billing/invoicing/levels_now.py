"""What levels come to by now: they go on from where billing or a fold reckoned them last, also into new periods."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.periods import Period
from usage_billing.meters.levels import Change, Stretch, stretch_of, values_of_level
from usage_billing.meters.running import StandingLevel, standing_levels
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment
from usage_billing.subscriptions.courses import segments_from
from usage_billing.subscriptions.lifecycle import Timeline

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class SegmentNow:
    """What a segment of a meter comes to; ``id`` is that of its summary, 0 if there is none yet."""

    id: int
    subscription_id: str
    usage_type: str
    unit_name: str
    agreed: AgreedPeriod
    part: AgreedSegment
    total: Decimal


def levels_now(
    session: Session,
    timelines: Mapping[str, Timeline],
    quotas: QuotaBook,
    *,
    now: datetime,
    but: Collection[tuple[str, str]] = (),
) -> Iterator[SegmentNow]:
    """The segments of levels that come to something else by ``now`` than is stored; a total is at least 0.

    The levels ``but``, (subscription, meter), are left out.
    """
    rows: dict[tuple[str, str], list[StandingLevel]] = {}
    for row in standing_levels(session, timelines):
        rows.setdefault((row.subscription_id, row.usage_type_id), []).append(row)
    for key, chain in rows.items():
        last, begins = chain[-1], [row.period_start for row in chain if row.grows]
        if not begins and last.goes_on and last.level:
            begins = [last.period_start]
        if begins and key not in but:
            yield from _of_chain(chain, timelines[key[0]], quotas, begins[0], now=now)


def _of_chain(
    chain: Sequence[StandingLevel], timeline: Timeline, quotas: QuotaBook, begins: datetime, *, now: datetime
) -> Iterator[SegmentNow]:
    last, known = chain[-1], {row.period_start: row for row in chain}
    segment = timeline.segment_at(begins)
    since = begins if segment is None else segment.period.start
    name = (last.subscription_id, last.usage_type_id)
    members: dict[Period, list[tuple[AgreedPeriod, AgreedSegment, Stretch]]] = {}
    level = _NOTHING
    for agreed, part in segments_from(timeline, quotas, *name, start=since, until=now):
        row = known.get(part.start)
        if row is not None:
            stretch = Stretch(part.start, part.end, row.upto, row.area, row.level).at(max(now, row.upto))
        elif last.terms.carry or agreed.period in members:
            stretch = stretch_of(part.start, part.end, level=level, change=Change(), as_of=now)
        else:
            continue
        level = stretch.level
        members.setdefault(agreed.period, []).append((agreed, part, stretch))
    for parts in members.values():
        values = values_of_level(last.terms.per, [stretch for _, _, stretch in parts])
        for (agreed, part, _), value in zip(parts, values, strict=True):
            row = known.get(part.start)
            yield SegmentNow(0 if row is None else row.id, *name, last.unit_name, agreed, part, max(value, _NOTHING))
