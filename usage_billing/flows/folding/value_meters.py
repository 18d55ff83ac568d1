"""What the summaries of meters come to: each by itself, or where values do not add up, all of a billing period."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.flows.alerting.watch_totals import watch_totals
from usage_billing.flows.folding.claims import Terms
from usage_billing.flows.folding.value_levels import Key, ids_to_lock, value_levels
from usage_billing.flows.recording.context import new_summary
from usage_billing.flows.recording.exceeded import exceeded
from usage_billing.metering.counted import Counted, ids_of, lock_counted, move_counted, to_rate_of_types
from usage_billing.metering.new_summaries import SummaryKey, create_summaries
from usage_billing.meters.across import values_across_segments, windows_in
from usage_billing.meters.definition import Function
from usage_billing.meters.kept import first_seen, states_by_window, states_of
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.values import State, fresh, value_of, values_of_segments
from usage_billing.meters.windowing import Windowing
from usage_billing.outbox.service import tell
from usage_billing.subscriptions.agreement import AgreedPeriod, agreed_period
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import owner_of

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class MeteredPeriod:
    """A billing period of a meter, with the summaries of all its segments, in order; None of one that has none."""

    meter: ActiveMeter
    agreed: AgreedPeriod
    summaries: Sequence[int | None]


def values_in(session: Session, alone: Collection[int], periods: Sequence[MeteredPeriod]) -> dict[int, Decimal]:
    """By id, what summaries come to: those ``alone``, whose values add up, and those of ``periods``; also below 0."""
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


def value_again(
    session: Session, subscription_ids: Collection[str], meters: Mapping[str, ActiveMeter], *, as_of: datetime
) -> None:
    """Bring the meters of subscriptions whose terms may have changed to what their segments come to by now.

    It concerns summaries to be rated, which a change of terms marks, of meters whose values do not add up. Where values
    are divided by time, a segment that has begun by ``as_of`` gets its summary. Levels are reckoned as of then. The
    caller has locked the subscriptions.
    """
    names = [name for name, meter in meters.items() if not meter.adds_up]
    if not names or not (found := to_rate_of_types(session, subscription_ids, names)):
        return
    terms = Terms.of_subscriptions(session, {key.subscription_id for key in found})
    timelines, quotas = terms.timelines, terms.quotas
    levels = _levels_since([key for key in found if meters[key.usage_type_id].level is not None], terms)
    keys = [key for key in found if key[:2] not in levels]
    agreed: dict[tuple[str, str, Period], AgreedPeriod] = {}
    strays = set[SummaryKey]()
    for key in keys:
        period = agreed_period(timelines[key.subscription_id], quotas, *key)
        part = None if period is None else period.part_at(key.period_start)
        if period is None or part is None or part.start != key.period_start:
            strays.add(key)
        else:
            agreed[key.subscription_id, key.usage_type_id, period.period] = period
    wanted = {
        new.key: new
        for (subscription, meter, _), period in agreed.items()
        for new in (new_summary(subscription, meter, period, part) for part in period.parts)
    }
    known = ids_of(session, [*wanted, *strays])
    missing = sorted(
        key
        for key in wanted.keys() - known.keys()
        if key.period_start <= as_of and meters[key.usage_type_id].is_divided
    )
    if missing:
        create_summaries(session, [wanted[key] for key in missing])
        known |= ids_of(session, missing)
    periods = [
        MeteredPeriod(
            meters[meter],
            period,
            [known.get(SummaryKey(subscription, meter, part.start)) for part in period.parts],
        )
        for (subscription, meter, _), period in agreed.items()
    ]
    ids = {*known.values(), *ids_to_lock(session, levels)}
    totals = lock_counted(session, ids, to_rate_of=(), usage_types=())
    values = values_in(session, (), periods) | {known[key]: _NOTHING for key in strays}
    reckoned = value_levels(session, levels, meters, terms, as_of=as_of)
    told = move_counted(session, changed(values | reckoned.values, {}, totals, also=reckoned.by_cell))
    tell_of_beyond(session, told.passed, timelines)
    watch_totals(session, told.watched)


def _levels_since(keys: Sequence[SummaryKey], terms: Terms) -> dict[Key, datetime]:
    """By level: where the billing period begins of the first of these summaries."""
    found: dict[Key, datetime] = {}
    for key in keys:
        segment = terms.timelines[key.subscription_id].segment_at(key.period_start)
        begins = key.period_start if segment is None else segment.period.start
        found[key[:2]] = min(begins, found.get(key[:2], begins))
    return found


def tell_of_beyond(session: Session, keys: Collection[SummaryKey], timelines: Mapping[str, Timeline]) -> None:
    """Tell those who want to know that these summaries have gone beyond their allowance."""
    owners = {key.subscription_id: owner_of(session, key.subscription_id) for key in keys}
    tell(
        session,
        [
            exceeded(key, timelines[key.subscription_id], customer_id=owners[key.subscription_id], record_id=None)
            for key in keys
        ],
    )


def changed(
    values: Mapping[int, Decimal],
    moved: Mapping[int, tuple[int, int]],
    totals: Mapping[int, Decimal],
    *,
    also: Collection[int],
) -> dict[int, Counted]:
    """What is to be told to summaries that gained something, have another total, or are ``also`` told; by their ids."""
    return {
        id: Counted(values[id], *moved.get(id, (0, 0)))
        for id in sorted(values)
        if id in moved or id in also or max(values[id], _NOTHING) != totals.get(id, _NOTHING)
    }
