"""What a fold has claimed: how far it counts each summary of recordings, under which terms, into which summaries."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.flows.recording.context import new_summary
from usage_billing.metering.counted import counting, ids_of, last_occurred
from usage_billing.metering.new_summaries import NewSummary, SummaryKey, create_summaries
from usage_billing.meters.claimed import ClaimedFold
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.service import place_fold
from usage_billing.subscriptions.agreement import AgreedPeriod, agreed_period
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.queries import timelines_of


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed pair, counted up to ordinal ``upto`` by this fold."""

    fold: ClaimedFold
    upto: int

    @property
    def key(self) -> tuple[int, str]:
        """What it counts into what: a summary of recordings, and a meter."""
        return self.fold.source, self.fold.meter


def affordable(folds: Iterable[ClaimedFold], at_most: int | None) -> Iterator[Claim]:
    """The claims of these folds, up to about so many recordings; None: all of them."""
    left = at_most
    for fold in folds:
        new = fold.events - fold.folded
        if left is None:
            yield Claim(fold, fold.events)
        elif left > 0:
            yield Claim(fold, fold.folded + min(new, left))
            left -= min(new, left) + fold.voids - fold.folded_voids


@dataclass(frozen=True, slots=True)
class Terms:
    """What the subscriptions of a fold have agreed."""

    timelines: Mapping[str, Timeline]
    quotas: QuotaBook

    @classmethod
    def of(cls, session: Session, claims: Sequence[Claim]) -> "Terms":
        """Those of the subscriptions of these claims."""
        return cls.of_subscriptions(session, {claim.fold.subscription_id for claim in claims})

    @classmethod
    def of_subscriptions(cls, session: Session, subscription_ids: Collection[str]) -> "Terms":
        """Those of these subscriptions."""
        timelines = timelines_of(session, subscription_ids)
        plans = {term.plan_id for line in timelines.values() for term in line.terms}
        return cls(timelines, quotas_of(session, plans, subscription_ids=timelines))

    def agreed(self, fold: ClaimedFold) -> AgreedPeriod | None:
        """The meter's billing period around the recordings."""
        line = self.timelines[fold.subscription_id]
        return agreed_period(line, self.quotas, fold.subscription_id, fold.meter, fold.period_start)

    def segments(self, fold: ClaimedFold, *, beside: bool) -> list[NewSummary]:
        """The summaries of the meter's segments in the segment of the recordings; with ``beside`` of all the period."""
        agreed = self.agreed(fold)
        if agreed is None:
            return []
        return [
            new_summary(fold.subscription_id, fold.meter, agreed, part)
            for part in agreed.parts
            if beside or (part.start < fold.period_end and part.end > fold.period_start)
        ]

    def period_start(self, fold: ClaimedFold) -> datetime:
        """When the billing period of the recordings begins."""
        segment = self.timelines[fold.subscription_id].segment_at(fold.period_start)
        return fold.period_start if segment is None else segment.period.start


def placed(
    session: Session, claims: Sequence[Claim], meters: Mapping[str, ActiveMeter], terms: Terms
) -> tuple[list[Claim], dict[tuple[int, str], list[tuple[datetime, int]]]]:
    """Where the meter's segments begin in each claimed summary, and their summaries, which are made if need be.

    What came to a segment that is gone by now, and is taken back, leaves it first; what is new waits for that.
    """
    wanted = {claim.key: terms.segments(claim.fold, beside=not meters[claim.fold.meter].adds_up) for claim in claims}
    known = ids_of(session, list({new.key for found in wanted.values() for new in found}))
    if missing := _missing(session, claims, terms, known):
        create_summaries(session, [missing[key] for key in sorted(missing)])
        known |= ids_of(session, list(missing))
    starts = {key: {new.key.period_start for new in found} for key, found in wanted.items()}
    gone = {id for claim in claims for start, id in claim.fold.places.items() if start not in starts[claim.key]}
    left = counting(session, gone)
    made: list[Claim] = []
    places: dict[tuple[int, str], list[tuple[datetime, int]]] = {}
    for claim in claims:
        fold = claim.fold
        found = {new.key.period_start: known[new.key] for new in wanted[claim.key] if new.key in known}
        stays = {start: id for start, id in fold.places.items() if start not in starts[claim.key] and id in left}
        waits = stays and fold.voids > fold.folded_voids
        made.append(Claim(fold, fold.folded) if waits else claim)
        places[claim.key] = sorted((found | stays).items())
        if dict(places[claim.key]) != fold.places:
            place_fold(session, fold.source, fold.meter, places[claim.key])
    return made, places


def _missing(
    session: Session, claims: Sequence[Claim], terms: Terms, known: Collection[SummaryKey]
) -> dict[SummaryKey, NewSummary]:
    """The summaries that are not there, of segments that may have recordings: a change to come may be taken back."""
    found: dict[SummaryKey, NewSummary] = {}
    lasts: dict[tuple[int, int], datetime | None] = {}
    for claim in claims:
        here = terms.segments(claim.fold, beside=False)
        if all(new.key in known for new in here):
            continue
        marks = (claim.fold.source, claim.fold.folded)
        if marks not in lasts:
            lasts[marks] = last_occurred(session, claim.fold.source, after=claim.fold.folded, upto=claim.upto)
        last = lasts[marks]
        found |= {
            new.key: new for new in here if new.key not in known and last is not None and new.key.period_start <= last
        }
    return found
