"""What meters come to whose values do not add up: all segments of a billing period together, by the terms given."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.orm import Session

from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.meters.across import values_across_segments, windows_in
from usage_billing.meters.definition import Function
from usage_billing.meters.kept import first_seen, states_by_window, states_of
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.values import State, fresh, value_of, values_of_segments
from usage_billing.meters.windowing import Windowing
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment, agreed_period
from usage_billing.subscriptions.lifecycle import Timeline

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class MeteredPeriod:
    """A billing period of a meter, with the summaries of all its segments, in order; None of one that has none."""

    meter: ActiveMeter
    agreed: AgreedPeriod
    summaries: Sequence[int | None]


class Place(NamedTuple):
    """A segment of a meter, and the billing period that it is in."""

    key: SummaryKey
    agreed: AgreedPeriod
    part: AgreedSegment


@dataclass(frozen=True, slots=True)
class PeriodsAgain:
    """The billing periods in which meters are valued again, and the ``strays``: summaries that are no segment's now."""

    meters: Mapping[str, ActiveMeter]
    agreed: Mapping[tuple[str, str, Period], AgreedPeriod]
    strays: Collection[SummaryKey]

    def places(self) -> Iterator[Place]:
        """All segments of these periods."""
        for (subscription, meter, _), agreed in self.agreed.items():
            for part in agreed.parts:
                yield Place(SummaryKey(subscription, meter, part.start), agreed, part)

    def missing(self, known: Collection[SummaryKey], *, as_of: datetime) -> list[Place]:
        """The segments that have begun by ``as_of``, have a part of a value that is divided by time, and no summary."""
        return [
            place
            for place in self.places()
            if place.part.start <= as_of and place.key not in known and self.meters[place.key.usage_type_id].is_divided
        ]

    def values(self, session: Session, known: Mapping[SummaryKey, int]) -> dict[int, Decimal]:
        """By id, what the ``known`` summaries of these periods, and the strays, come to; also below 0."""
        periods = [
            MeteredPeriod(
                self.meters[meter],
                agreed,
                [known.get(SummaryKey(subscription, meter, part.start)) for part in agreed.parts],
            )
            for (subscription, meter, _), agreed in self.agreed.items()
        ]
        return values_in(session, (), periods) | {known[key]: _NOTHING for key in self.strays}


def periods_again(
    keys: Iterable[SummaryKey],
    meters: Mapping[str, ActiveMeter],
    timelines: Mapping[str, Timeline],
    quotas: QuotaBook,
) -> PeriodsAgain:
    """The billing periods, by these terms, of summaries of ``meters`` that are no levels."""
    agreed: dict[tuple[str, str, Period], AgreedPeriod] = {}
    strays = set[SummaryKey]()
    for key in keys:
        period = agreed_period(timelines[key.subscription_id], quotas, *key)
        part = None if period is None else period.part_at(key.period_start)
        if period is None or part is None or part.start != key.period_start:
            strays.add(key)
        else:
            agreed[key.subscription_id, key.usage_type_id, period.period] = period
    return PeriodsAgain(meters, agreed, strays)


def values_in(session: Session, alone: Collection[int], periods: Sequence[MeteredPeriod]) -> dict[int, Decimal]:
    """By id, what summaries come to: those ``alone``, whose values add up, and those of ``periods``; also below 0.

    An id that is not above 0 is of a summary that is not stored, into which nothing was counted.
    """
    states = states_of(session, {*alone, *(id for period in periods for id in period.summaries if id is not None)})
    found = {id: states[id].total for id in alone}
    for period in periods:
        for id, value in zip(period.summaries, _divided(session, period, states), strict=True):
            if id is not None:
                found[id] = value
    return found


def _divided(session: Session, period: MeteredPeriod, states: Mapping[int, State]) -> list[Decimal]:
    function, windowing = period.meter.function, period.meter.windowing
    if windowing is not None:
        return _by_window(session, period, windowing)
    here = [State() if id is None else states.get(id, State()) for id in period.summaries]
    if len(here) == 1:
        return [value_of(function, here[0]) or _NOTHING]
    if function == Function.UNIQUE_COUNT:
        new = first_seen(session, [id for id in period.summaries if id is not None])
        here = [State() if id is None else fresh(states.get(id, State()), new[id]) for id in period.summaries]
    lengths = [(part.end - part.start) // INSTANT for part in period.agreed.parts]
    return values_of_segments(function, here, lengths)


def _by_window(session: Session, period: MeteredPeriod, windowing: Windowing) -> list[Decimal]:
    spans = tuple(Period(part.start, part.end) for part in period.agreed.parts)
    windows = windows_in(windowing.every, spans, zone=period.agreed.zone)
    ids = [id for id in period.summaries if id is not None]
    function = period.meter.function
    known = states_by_window(session, ids, windows, tells=function == Function.UNIQUE_COUNT)
    states = [{} if id is None else known[id] for id in period.summaries]
    return values_across_segments(function, windowing, states, windows, spans=spans)
