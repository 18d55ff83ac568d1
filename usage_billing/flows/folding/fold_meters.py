"""Counts recordings into the summaries of meters, each exactly once, from where the fold before left off."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.core import crash
from usage_billing.flows.recording.context import new_summary
from usage_billing.flows.recording.exceeded import exceeded
from usage_billing.metering.counted import Counted, ids_of, lock_counted, move_counted
from usage_billing.metering.summaries import NewSummary, SummaryKey, create_summaries
from usage_billing.meters.definition import Definition
from usage_billing.meters.queries import (
    ActiveMeter,
    ClaimedFold,
    claimed,
    folded_types,
    new_to_fold_of,
    true_meters,
    values_of,
)
from usage_billing.meters.service import SourceFold, claim_folds, count_into, place_fold
from usage_billing.meters.stretches import minutes_within
from usage_billing.outbox.service import Fact, tell
from usage_billing.subscriptions.agreement import agreed_period
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import owner_of, timelines_of

_NOTHING = Decimal(0)


@dataclass(slots=True)
class FoldOutcome:
    """What a fold did: how many recordings it looked at, and how many of them had no value for their meter."""

    recordings: int = 0
    skipped: int = 0
    summaries: set[int] = field(default_factory=set)


def fold_subscriptions(session: Session, subscription_ids: Collection[str]) -> Mapping[str, ActiveMeter]:
    """Count all that is new of these subscriptions, whose rows the caller has locked; returns what is folded, by id.

    The summaries of meters that are to be rated stay locked: the caller rates them next.
    """
    meters = folded_types(session, hold=True)
    pairs = new_to_fold_of(session, subscription_ids) if meters else []
    if pairs:
        fold_pairs(session, pairs, meters, to_rate_of=subscription_ids)
    return meters


def fold_pairs(
    session: Session,
    pairs: Sequence[tuple[int, str]],
    meters: Mapping[str, ActiveMeter],
    *,
    to_rate_of: Collection[str] = (),
    at_most: int | None = None,
) -> FoldOutcome:
    """Count these summaries of recordings into these meters; with ``at_most``, about so many recordings.

    Locks, in this order: how far each pair is, then the meters' summaries.
    """
    claim_folds(session, pairs)
    crash.point("fold.claimed")
    claims = list(_affordable(claimed(session, pairs), at_most))
    terms = _Terms.of(session, claims)
    places = _places_of(session, [claim for claim in claims if meters[claim.fold.meter].of is not None], terms)
    ids = {summary for found in places.values() for _, summary in found}
    lock_counted(session, ids, to_rate_of=to_rate_of, usage_types=true_meters(meters))
    for claim in claims:
        # A usage type that counts its own recordings keeps them by time in the summary that has their total already.
        places.setdefault(claim.key, [(claim.fold.period_start, claim.fold.source)])
    outcome = FoldOutcome(summaries=ids)
    moved: dict[int, tuple[int, int]] = {}
    for meter, definition, work in _by_definition(claims, meters, terms, places):
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
    values = values_of(session, moved)
    passed = move_counted(session, {id: Counted(values.get(id, _NOTHING), *moved[id]) for id in sorted(moved)})
    tell(session, [_fact(session, key, terms.timelines[key.subscription_id]) for key in passed])
    crash.point("fold.committing")
    return outcome


def _fact(session: Session, key: SummaryKey, timeline: Timeline) -> Fact:
    customer_id = owner_of(session, key.subscription_id)
    return exceeded(key, timeline, customer_id=customer_id, record_id=None)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A claimed pair, counted up to ordinal ``upto`` by this fold."""

    fold: ClaimedFold
    upto: int

    @property
    def key(self) -> tuple[int, str]:
        return self.fold.source, self.fold.meter


def _affordable(folds: Iterable[ClaimedFold], at_most: int | None) -> Iterator[_Claim]:
    left = at_most
    for fold in folds:
        new = fold.events - fold.folded
        if left is None:
            yield _Claim(fold, fold.events)
        elif left > 0:
            yield _Claim(fold, fold.folded + min(new, left))
            left -= min(new, left) + fold.voids - fold.folded_voids


@dataclass(frozen=True, slots=True)
class _Terms:
    """What the subscriptions of a fold have agreed."""

    timelines: Mapping[str, Timeline]
    quotas: QuotaBook

    @classmethod
    def of(cls, session: Session, claims: Sequence[_Claim]) -> "_Terms":
        timelines = timelines_of(session, {claim.fold.subscription_id for claim in claims})
        plans = {term.plan_id for line in timelines.values() for term in line.terms}
        return cls(timelines, quotas_of(session, plans, subscription_ids=timelines))

    def segments(self, fold: ClaimedFold) -> Iterator[NewSummary]:
        """The summaries of the meter's segments that lie in the segment of the recordings."""
        line, name = self.timelines[fold.subscription_id], fold.subscription_id
        agreed = agreed_period(line, self.quotas, name, fold.meter, fold.period_start)
        if agreed is None:
            return
        for part in agreed.parts:
            if part.start < fold.period_end and part.end > fold.period_start:
                yield new_summary(name, fold.meter, agreed, part)

    def period_start(self, fold: ClaimedFold) -> datetime:
        """When the billing period of the recordings begins."""
        segment = self.timelines[fold.subscription_id].segment_at(fold.period_start)
        return fold.period_start if segment is None else segment.period.start


def _places_of(
    session: Session, claims: Sequence[_Claim], terms: _Terms
) -> dict[tuple[int, str], list[tuple[datetime, int]]]:
    """Where the meter's segments begin in each claimed summary, and their summaries, which are made if need be."""
    wanted = {claim.key: list(terms.segments(claim.fold)) for claim in claims}
    every = {new.key: new for found in wanted.values() for new in found}
    known = ids_of(session, list(every))
    missing = sorted(every.keys() - known.keys())
    if missing:
        create_summaries(session, [every[key] for key in missing])
        known |= ids_of(session, missing)
    places: dict[tuple[int, str], list[tuple[datetime, int]]] = {}
    for claim in claims:
        before = dict(zip(claim.fold.starts, claim.fold.summaries, strict=True))
        found = {new.key.period_start: known[new.key] for new in wanted[claim.key]}
        # What came to a segment that is gone by now may still be taken back, and leaves it then.
        places[claim.key] = sorted((found | before).items())
        if found.keys() - before.keys():
            place_fold(session, claim.fold.source, claim.fold.meter, places[claim.key])
    return places


def _by_definition(
    claims: Sequence[_Claim],
    meters: Mapping[str, ActiveMeter],
    terms: _Terms,
    places: Mapping[tuple[int, str], Sequence[tuple[datetime, int]]],
) -> Iterable[tuple[ActiveMeter, Definition, list[SourceFold]]]:
    """The work of each definition of each meter."""
    found: dict[tuple[str, int], tuple[ActiveMeter, Definition, list[SourceFold]]] = {}
    for claim in claims:
        fold, meter = claim.fold, meters[claim.fold.meter]
        definition = meter.definition_of(terms.period_start(fold))
        work = SourceFold(
            source=fold.source,
            subscription_id=fold.subscription_id,
            folded=fold.folded,
            upto=claim.upto,
            folded_voids=fold.folded_voids,
            voids=fold.voids,
            minutes=minutes_within(terms.timelines[fold.subscription_id].zone, fold.period_start, fold.period_end),
            places=places[claim.key],
        )
        found.setdefault((fold.meter, id(definition)), (meter, definition, []))[2].append(work)
    return found.values()
