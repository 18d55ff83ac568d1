"""Counts recordings into the summaries of meters, each exactly once, from where the fold before left off."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.alerts.service import look_at_wallets_beside
from usage_billing.core import crash
from usage_billing.core.periods import Period
from usage_billing.flows.alerting.watch_totals import watch_totals
from usage_billing.flows.folding.claims import Claim, Terms, affordable, placed
from usage_billing.flows.folding.value_levels import Key, ids_to_lock, value_levels
from usage_billing.flows.folding.value_meters import changed, tell_of_beyond, value_again
from usage_billing.invoicing.metered_periods import MeteredPeriod, values_in
from usage_billing.metering.counted import lock_counted, move_counted, to_rate_of_types
from usage_billing.meters.across import windows_in
from usage_billing.meters.claimed import claimed
from usage_billing.meters.definition import Definition
from usage_billing.meters.progress import Behind, far_behind
from usage_billing.meters.queries import (
    ActiveMeter,
    Pair,
    folded_types,
    new_to_fold_of,
    true_meters,
)
from usage_billing.meters.running import links_of
from usage_billing.meters.service import claim_folds
from usage_billing.meters.storing import SourceFold, count_into
from usage_billing.meters.stretches import minutes_for
from usage_billing.subscriptions.openings import lock_to_bill

AT_ONCE = 200_000
"""So many recordings of one subscription are counted at once for all its meters: about half a second of PostgreSQL."""


@dataclass(slots=True)
class FoldOutcome:
    """What a fold did: how many recordings it looked at, and how many of them had no value for their meter."""

    recordings: int = 0
    skipped: int = 0
    summaries: set[int] = field(default_factory=set)


def fold_subscriptions(
    session: Session, subscription_ids: Collection[str], *, as_of: datetime
) -> Mapping[str, ActiveMeter]:
    """Count all that is new of these subscriptions, whose rows the caller has locked; returns what is folded, by id.

    What is ``AT_ONCE`` behind waits for the folds in the background. The summaries of meters that are to be rated stay
    locked: the caller rates them next.
    """
    meters = folded_types(session, hold=True)
    behind = left_behind(session, subscription_ids) if meters else {}
    pairs = new_to_fold_of(session, subscription_ids) if meters else []
    pairs = [pair for pair in pairs if pair.subscription not in behind]
    if pairs:
        fold_pairs(session, pairs, meters, to_rate_of=subscription_ids)
    if meters:
        value_again(session, subscription_ids, true_meters(meters), as_of=as_of)
    return meters


def left_behind(session: Session, subscription_ids: Collection[str]) -> Mapping[str, Behind]:
    """Those of these subscriptions that ``fold_subscriptions`` leaves to the folds in the background, by id."""
    return far_behind(session, subscription_ids, more_than=AT_ONCE)


def fold_pairs(
    session: Session,
    pairs: Sequence[Pair],
    meters: Mapping[str, ActiveMeter],
    *,
    to_rate_of: Collection[str] = (),
    at_most: int | None = None,
) -> FoldOutcome:
    """Count these summaries of recordings into these meters; with ``at_most``, about so many recordings.

    Locks, in this order: the subscriptions, how far each pair is, then the meters' summaries. A fold makes summaries
    between them, and of a level also later; so two folds never work on one subscription at the same time.
    """
    lock_to_bill(session, {pair.subscription for pair in pairs})
    claim_folds(session, pairs)
    crash.point("fold.claimed")
    claims = list(affordable(claimed(session, pairs), at_most))
    terms = Terms.of(session, claims)
    true_claims = [claim for claim in claims if meters[claim.fold.meter].of is not None]
    counted, places = placed(session, true_claims, meters, terms)
    levels = _levels_since(counted, meters, terms)
    ids = {summary for found in places.values() for _, summary in found} | ids_to_lock(session, levels)
    ids |= _levels_to_rate(session, to_rate_of, meters)
    totals = lock_counted(session, ids, to_rate_of=to_rate_of, usage_types=true_meters(meters))
    periods = list(_periods_of(counted, meters, terms, places))
    for claim in claims:
        if meters[claim.fold.meter].of is None:
            # A usage type that counts its own recordings keeps them by time in the summary that has their total.
            places[claim.key] = [(claim.fold.period_start, claim.fold.source)]
            counted.append(claim)
    outcome = FoldOutcome(summaries=ids)
    moved: dict[int, tuple[int, int]] = {}
    for meter, definition, work in _by_definition(counted, meters, terms, places):
        outcome.recordings += sum(one.upto - one.folded + one.voids - one.folded_voids for one in work)
        gained = count_into(
            session, meter.usage_type_id, definition, work, since=meter.since, retired_at=meter.retired_at
        )
        outcome.skipped += gained.skipped
        if meter.of is None:
            continue
        for summary, (added, taken) in gained.summaries.items():
            before = moved.get(summary, (0, 0))
            moved[summary] = (before[0] + added, before[1] + taken)
    crash.point("fold.counted")
    reckoned = value_levels(session, levels, meters, terms, as_of=None)
    values = reckoned.values
    within = {id for period in periods for id in period.summaries if id is not None}
    values |= values_in(session, moved.keys() - within - values.keys(), periods)
    told = move_counted(session, changed(values, moved, totals, also=reckoned.by_cell))
    tell_of_beyond(session, told.passed, terms.timelines)
    watch_totals(session, told.watched)
    look_at_wallets_beside(session, {pair.subscription for pair in pairs})
    crash.point("fold.committing")
    return outcome


def _periods_of(
    claims: Sequence[Claim],
    meters: Mapping[str, ActiveMeter],
    terms: Terms,
    places: Mapping[tuple[int, str], Sequence[tuple[datetime, int]]],
) -> Iterable[MeteredPeriod]:
    """The billing periods that these claims are in, of meters whose values do not add up."""
    found: dict[tuple[str, str, Period], MeteredPeriod] = {}
    for claim in claims:
        fold, meter = claim.fold, meters[claim.fold.meter]
        agreed = None if meter.adds_up or meter.level is not None else terms.agreed(fold)
        if agreed is not None:
            ids = dict(places[claim.key])
            key = (fold.subscription_id, fold.meter, agreed.period)
            found[key] = MeteredPeriod(meter, agreed, [ids.get(part.start) for part in agreed.parts])
    return found.values()


def _levels_to_rate(session: Session, subscription_ids: Collection[str], meters: Mapping[str, ActiveMeter]) -> set[int]:
    """All summaries of the levels of which one is to be rated: the caller reckons them next, and locks nothing more."""
    names = [name for name, meter in meters.items() if meter.level is not None]
    if not names or not subscription_ids:
        return set()
    keys = {key[:2] for key in to_rate_of_types(session, subscription_ids, names)}
    return {link.id for link in links_of(session, keys)}


def _levels_since(claims: Sequence[Claim], meters: Mapping[str, ActiveMeter], terms: Terms) -> dict[Key, datetime]:
    """By level that these claims change: where the first billing period begins that they are in."""
    found: dict[Key, datetime] = {}
    for claim in claims:
        if meters[claim.fold.meter].level is not None:
            key, begins = (claim.fold.subscription_id, claim.fold.meter), terms.period_start(claim.fold)
            found[key] = min(begins, found.get(key, begins))
    return found


def _by_definition(
    claims: Sequence[Claim],
    meters: Mapping[str, ActiveMeter],
    terms: Terms,
    places: Mapping[tuple[int, str], Sequence[tuple[datetime, int]]],
) -> Iterable[tuple[ActiveMeter, Definition, list[SourceFold]]]:
    """The work of each definition of each meter."""
    found: dict[tuple[str, int], tuple[ActiveMeter, Definition, list[SourceFold]]] = {}
    for claim in claims:
        fold, meter = claim.fold, meters[claim.fold.meter]
        definition = meter.definition_of(terms.period_start(fold))
        span, zone = Period(fold.period_start, fold.period_end), terms.timelines[fold.subscription_id].zone
        work = SourceFold(
            source=fold.source,
            subscription_id=fold.subscription_id,
            folded=fold.folded,
            upto=claim.upto,
            folded_voids=fold.folded_voids,
            voids=fold.voids,
            minutes=minutes_for(definition, zone, span.start, span.end),
            places=places[claim.key],
            windows=_windows(definition, span, zone),
        )
        found.setdefault((fold.meter, id(definition)), (meter, definition, []))[2].append(work)
    return found.values()


def _windows(definition: Definition, span: Period, zone: str) -> list[datetime]:
    """Where the windows begin in which values are told apart."""
    if definition.windowing is None or not definition.tells_by_window:
        return []
    return [window.start for window in windows_in(definition.windowing.every, (span,), zone=zone)]
