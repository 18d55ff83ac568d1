"""The running totals of subscriptions as of now, of whole billing periods, with what time adds to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.periods import period_at
from usage_billing.core.spans import Span
from usage_billing.invoicing.levels_now import SegmentNow
from usage_billing.invoicing.segments_now import segments_now
from usage_billing.metering.queries import PeriodTotal, totals_of
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import Contract

_NOTHING = Decimal(0)


def totals_now(
    session: Session, contracts: Sequence[Contract], quotas: QuotaBook, spans: Mapping[str, Span], *, now: datetime
) -> dict[str, list[PeriodTotal]]:
    """By subscription: the totals of all billing periods that overlap its span."""
    found: dict[str, list[PeriodTotal]] = {contract.id: [] for contract in contracts}
    whole = {contract.id: _whole_periods(contract.timeline, spans[contract.id]) for contract in contracts}
    segments = list(segments_now(session, {one.id: one.timeline for one in contracts}, quotas, now=now))
    by_now = {one.id: one.total for one in segments if one.id}
    for counted in totals_of(session, whole):
        counted.total = by_now.get(counted.id, counted.total)
        found[counted.subscription_id].append(counted)
    for one in segments:
        if not one.id and overlaps(one.part.start, one.part.end, whole[one.subscription_id]):
            found[one.subscription_id].append(_begun_by(one))
    return found


def _whole_periods(timeline: Timeline, span: Span) -> Span:
    """``span`` widened to the beginning and the end of every billing period that overlaps it."""
    start, end = span.start, span.end
    for cadence in {term.terms.cadence for term in timeline.terms}:
        if span.start is not None and start is not None:
            start = min(start, period_at(span.start, zone=timeline.zone, cadence=cadence).start)
        if span.end is not None and end is not None:
            end = max(end, period_at(span.end, zone=timeline.zone, cadence=cadence).end)
    return Span(start=start, end=end)


def overlaps(start: datetime, end: datetime, span: Span) -> bool:
    """Whether a stretch of time has a part in a span."""
    return (span.start is None or end > span.start) and (span.end is None or start < span.end)


def _begun_by(one: SegmentNow) -> PeriodTotal:
    """A segment that has begun, and has no summary yet."""
    return PeriodTotal(
        id=0,
        subscription_id=one.subscription_id,
        usage_type=one.usage_type,
        unit_name=one.unit_name,
        period_start=one.part.start,
        period_end=one.part.end,
        total=one.total,
        beyond_limit=_NOTHING,
        beyond_events=0,
        events=0,
        allowance=None,
        boundary=None,
        frozen=False,
        voids=0,
    )
