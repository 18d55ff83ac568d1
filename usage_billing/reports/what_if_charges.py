"""What usage comes to up to an instant, under any terms: whole periods, reckoned by the rules that bill. Pure."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.invoicing.by_cell import Measured
from usage_billing.invoicing.reckoning import charge_period, has_cells
from usage_billing.metering.budget import divide
from usage_billing.metering.split import beyond_of_next
from usage_billing.meters.across import values_across_segments, windows_in
from usage_billing.meters.definition import Definition
from usage_billing.meters.values import State, values_of_segments
from usage_billing.rating.engine import rate, stored_price
from usage_billing.rating.groups import CellCharge
from usage_billing.rating.price import Price
from usage_billing.rating.pricing.by_dimension import is_by_dimension
from usage_billing.rating.pricing.cell_totals import SegmentSeries, SeriesTotal
from usage_billing.reports.what_if_levels import level_in, series_in
from usage_billing.reports.what_if_states import state_of, when_counted
from usage_billing.subscriptions.agreement import AgreedPeriod, agreed_period
from usage_billing.subscriptions.lifecycle import Timeline

Reported = tuple[datetime, Decimal]
"""(when, quantity)"""
Event = tuple[str, datetime, Decimal, Mapping[str, Any]]
"""(usage type, when it occurred, quantity, what it is by the dimensions of a meter)."""

_NOTHING = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class History:
    """The events of a subscription from ``since`` on, in the order recorded, and the terms to charge them by.

    ``meters`` are the usage types that count the recordings of others: their events may be negative. Where values are
    told apart, each distinct value has a number for its quantity. Of a level that is carried, events at ``since`` say
    where it stands then.

    ``prices`` replace those of the quotas, by usage type. ``frozen`` has, by usage type and beginning, the allowances
    of segments that keep theirs for ever.
    """

    subscription_id: str
    timeline: Timeline
    quotas: QuotaBook
    events: Sequence[Event]
    prices: Mapping[str, dict[str, Any]]
    currency: str
    since: datetime
    frozen: Mapping[tuple[str, datetime], Decimal | None] = field(default_factory=dict)
    meters: Mapping[str, Definition] = field(default_factory=dict)


@dataclass(slots=True)
class _Period:
    """A billing period of one usage type, with what each of its segments was used, recording by recording."""

    usage_type: str
    agreed: AgreedPeriod
    used: list[list[Decimal]] = field(default_factory=list)
    series: list[list[SeriesTotal]] = field(default_factory=list)
    times: list[list[datetime]] = field(default_factory=list)


class ReckonedSegment(NamedTuple):
    """A segment of a billing period: what lies ``beyond`` of each recording, when that was, and what is ``due``.

    ``price`` is what it is charged by, and ``rated`` how, with its group. A segment that is charged by itself has no
    ``price``. A meter has nothing ``beyond`` here: ``counted`` has its values by bucket if they add up, and otherwise
    what all of them come to at the start.
    """

    usage_type: str
    start: datetime
    end: datetime
    period_end: datetime
    beyond: Sequence[Reported]
    measured: Measured
    price: Price | None
    rated: CellCharge | None
    due: Decimal
    counted: Sequence[Reported] | None = None


Covered = Mapping[tuple[str, datetime], Decimal]
"""Units that were paid for beforehand, by usage type and beginning of the segment."""


def reckoned_until(history: History, until: datetime, covered: Covered) -> list[list[ReckonedSegment]]:
    """The segments of each period, of usage before ``until``; those that begin later are left out."""
    return [list(_reckon(period, history, until, covered)) for period in _periods(history, until)]


def _periods(history: History, until: datetime) -> Iterator[_Period]:
    found: dict[tuple[str, datetime, datetime], _Period] = {}
    for usage_type, begins in _beginnings(history, until):
        _at(found, history, usage_type, begins)
    for usage_type, occurred_at, quantity, values in history.events:
        period = _at(found, history, usage_type, occurred_at) if occurred_at < until else None
        if period is not None:
            parts = period.agreed.parts
            index = next(n for n, part in enumerate(parts) if part.start <= occurred_at < part.end)
            period.used[index].append(quantity)
            period.series[index].append(SeriesTotal(values, quantity))
            period.times[index].append(occurred_at)
    return iter(found.values())


def _beginnings(history: History, until: datetime) -> Iterator[tuple[str, datetime]]:
    """Every type with a quota, in every segment from ``since`` to ``until``: it may bear a minimum."""
    for term in history.timeline.terms:
        at = max(term.starts_at, history.since)
        end = until if term.ends_at is None else min(term.ends_at, until)
        while at < end:
            segment = history.timeline.segment_at(at)
            if segment is None:
                break
            for usage_type in history.quotas.usage_types_of(segment.plan_id, history.subscription_id):
                yield usage_type, at
            at = segment.end


def _at(
    found: dict[tuple[str, datetime, datetime], _Period], history: History, usage_type: str, instant: datetime
) -> _Period | None:
    running = history.timeline.segment_at(instant)
    if running is None:
        return None
    key = (usage_type, running.period.start, running.period.end)
    if key not in found:
        agreed = agreed_period(history.timeline, history.quotas, history.subscription_id, usage_type, instant)
        if agreed is None:
            return None
        found[key] = _Period(
            usage_type, agreed, [[] for _ in agreed.parts], [[] for _ in agreed.parts], [[] for _ in agreed.parts]
        )
    return found[key]


def _reckon(period: _Period, history: History, until: datetime, covered: Covered) -> Iterator[ReckonedSegment]:
    parts = period.agreed.parts
    frozen = [(period.usage_type, part.start) in history.frozen for part in parts]
    parted = period.used
    if period.usage_type in history.meters:
        # A meter's total is billed, as 0 where it is negative; no price of it looks at single recordings.
        parted = [[max(value, _NOTHING)] for value in _values(period, history, until)]
    # A frozen segment is divided at its own allowance and charged by itself, apart from its period.
    counted = [[] if kept else used for used, kept in zip(parted, frozen, strict=True)]
    divisions = divide(period.agreed, [sum_of(used) for used in counted])
    measured = [
        replace(_measure(used, division.allowance), allowance=division.allowance, series=series)
        for used, division, series in zip(counted, divisions, _series(period, history, until), strict=True)
    ]
    measured = [
        replace(one, quantity=EXACT.subtract(one.quantity, covered.get((period.usage_type, part.start), _NOTHING)))
        for part, one in zip(parts, measured, strict=True)
    ]
    price = history.prices.get(period.usage_type)
    charges = charge_period(period.agreed, measured, currency=history.currency, price=price)
    for index, (part, used, kept, charge) in enumerate(zip(parts, parted, frozen, charges, strict=True)):
        if part.start >= until or part.price is None:
            continue
        due, plain = charge.due, None if kept or charge.charge is None else stored_price(price or part.price)
        if kept:
            alone = _measure(used, history.frozen[period.usage_type, part.start])
            each, recordings = alone.each, alone.recordings
            rated = rate(
                stored_price(part.price), alone.quantity, recordings=recordings, currency=history.currency, each=each
            )
            due = rated.amount
        meter = history.meters.get(period.usage_type)
        marks = [] if meter is not None else _marks(used, divisions[index].allowance)
        values = period.used[index] if meter is None or meter.adds_up else sum_of(used)
        beyond = [(at, mark) for at, mark in zip(period.times[index], marks, strict=False) if mark]
        yield ReckonedSegment(
            usage_type=period.usage_type,
            start=part.start,
            end=part.end,
            period_end=period.agreed.period.end,
            beyond=beyond,
            measured=measured[index],
            price=plain,
            rated=None if kept else charge.charge,
            due=due,
            counted=None if meter is None else when_counted(period.times[index], values, part, zone=period.agreed.zone),
        )


def _series(period: _Period, history: History, until: datetime) -> list[SegmentSeries]:
    """What each series of a meter came to in each segment; asked for by prices by dimension."""
    price = history.prices.get(period.usage_type)
    if not (has_cells(period.agreed) if price is None else is_by_dimension(price)):
        return [SegmentSeries()] * len(period.agreed.parts)
    meter = history.meters.get(period.usage_type)
    if meter is not None and meter.level is not None:
        return series_in(meter.level, _reported(period, history, until), period.agreed, until=until)
    return [SegmentSeries.in_units(series) for series in period.series]


def _reported(period: _Period, history: History, until: datetime) -> list[tuple[datetime, Decimal, Mapping[str, Any]]]:
    return [one[1:] for one in history.events if one[0] == period.usage_type and one[1] < until]


def _values(period: _Period, history: History, until: datetime) -> list[Decimal]:
    """What falls to each segment of what a meter comes to."""
    meter = history.meters[period.usage_type]
    if meter.level is not None:
        return level_in(meter.level, _reported(period, history, until), period.agreed, until=until)
    parts = period.agreed.parts
    counted = [list(zip(*one, strict=True)) for one in zip(period.times, period.used, strict=True)]
    if meter.windowing is None:
        seen = set[Decimal]()
        states = [state_of(used, seen) for used in counted]
        return values_of_segments(meter.function, states, [(part.end - part.start) // INSTANT for part in parts])
    spans = tuple(Period(part.start, part.end) for part in parts)
    windows = windows_in(meter.windowing.every, spans, zone=period.agreed.zone)
    starts = [window.start for window in windows]
    told = defaultdict[int, set[Decimal]](set)
    by_window: list[dict[int, State]] = []
    for used in counted:
        here = defaultdict[int, list[Reported]](list)
        for at, value in used:
            here[bisect_right(starts, at) - 1].append((at, value))
        by_window.append({place: state_of(found, told[place]) for place, found in here.items()})
    return values_across_segments(meter.function, meter.windowing, by_window, windows, spans=spans)


def _measure(used: Sequence[Decimal], allowance: Decimal | None) -> Measured:
    each = [mark for mark in _marks(used, allowance) if mark]
    return Measured(sum_of(each), len(each), each)


def _marks(used: Sequence[Decimal], allowance: Decimal | None) -> list[Decimal]:
    """What of each recording lies beyond, in the order recorded."""
    total, marks = _NOTHING, list[Decimal]()
    for quantity in used:
        marks.append(beyond_of_next(total, quantity, allowance))
        total = EXACT.add(total, quantity)
    return marks
