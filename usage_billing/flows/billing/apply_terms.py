"""First stage of the chain: divides usage at the allowances in force now, and finds what each summary is charged on.

Recording keeps the totals as usage arrives. This stage has work only in rare cases: a quota was defined after the
usage, or the subscription changed within a period. Then it divides the recordings at the new allowance, in the order
recorded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.core.giving_way import in_turns
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.metering.budget import budgets_of, divide
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment, agreed_period, cuts_within, quota_course
from usage_billing.subscriptions.lifecycle import Segment, Timeline

_NOTHING = Decimal(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MoveBoundaries = Callable[[Sequence[tuple[UnratedSummary, Decimal | None]]], None]
"""Divides the recordings of each summary at the allowance beside it, and lets the summary say so."""


class SummaryTerms(NamedTuple):
    """What a summary is under: its quota (None: it never had one), and where its billing period starts.

    ``agreed`` is that period with all its segments; None where no segment begins any more.
    """

    quota: QuotaVersion | None
    period_start: datetime
    agreed: AgreedPeriod | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a summary stands: its segment, and the period of that. ``allowance`` where no other segment has a part."""

    part: AgreedSegment
    agreed: AgreedPeriod
    allowance: Decimal | None

    @property
    def is_alone(self) -> bool:
        return self.agreed.is_whole


def aggregate(
    summaries: Sequence[UnratedSummary],
    *,
    move: MoveBoundaries,
    timelines: Mapping[str, Timeline],
    quotas: QuotaBook,
) -> dict[int, SummaryTerms]:
    """Put summaries under the terms in force; returns these by summary id.

    Of a period that is cut, the summaries of all its segments are among ``summaries``.
    """
    terms = _Terms(timelines, quotas)
    places = {summary.id: terms.find(summary) for summary in in_turns(summaries)}
    _divide_all(move, summaries, places)
    return {summary.id: _settle_terms(summary, places[summary.id], quotas) for summary in in_turns(summaries)}


def may_be_cut(timelines: Mapping[str, Timeline], quotas: QuotaBook) -> list[str]:
    """The subscriptions of whose billing periods one may be cut: by other terms, or by a version within it."""
    plans, owners = quotas.cutting
    return [
        id
        for id, line in timelines.items()
        if len(line.terms) > 1 or line.terms[0].ends_at is not None or id in owners or line.terms[0].plan_id in plans
    ]


@dataclass(slots=True)
class _Terms:
    """Finds the terms of summaries, and keeps them for other subscriptions on the plan and for other usage types."""

    timelines: Mapping[str, Timeline]
    quotas: QuotaBook
    _shared: dict[tuple[Segment, str, int | None], _Place] = field(default_factory=dict)
    _segments: dict[tuple[str, datetime], Segment | None] = field(default_factory=dict)
    _periods: dict[tuple[str, str, Period], AgreedPeriod] = field(default_factory=dict)

    def find(self, summary: UnratedSummary) -> _Place | None:
        """Where a summary stands; None when no segment begins where it does."""
        subscription_id, usage_type_id = summary.subscription_id, summary.usage_type_id
        segment = self._segment(subscription_id, summary.period_start)
        if segment is None:
            return None
        course = quota_course(
            self.timelines[subscription_id], self.quotas, subscription_id, usage_type_id, segment.plan_id
        )
        held = course.at(segment.start)
        is_cut = bool(cuts_within(course, segment))
        if not is_cut and summary.period_start != segment.start:
            return None
        shared = None if is_cut else (segment, usage_type_id, None if held is None else held.id)
        found = None if shared is None else self._shared.get(shared)
        if found is not None:
            return found
        agreed = self._period(subscription_id, usage_type_id, segment, summary.period_start)
        part = None if agreed is None else agreed.part_at(summary.period_start)
        # A change is refused where usage lies behind it: where no segment begins any more, nothing counts.
        if agreed is None or part is None or part.start != summary.period_start:
            return None
        found = _Place(part, agreed, budgets_of(agreed)[0] if agreed.is_whole else None)
        if agreed.is_whole and part.segment == segment and shared is not None:
            self._shared[shared] = found
        return found

    def _segment(self, subscription_id: str, instant: datetime) -> Segment | None:
        key = (subscription_id, instant)
        if key not in self._segments:
            self._segments[key] = self.timelines[subscription_id].segment_at(instant)
        return self._segments[key]

    def _period(
        self, subscription_id: str, usage_type_id: str, segment: Segment, instant: datetime
    ) -> AgreedPeriod | None:
        key = (subscription_id, usage_type_id, segment.period)  # two cadences may begin a period at one instant
        known = self._periods.get(key)
        if known is not None:
            return known
        agreed = agreed_period(self.timelines[subscription_id], self.quotas, subscription_id, usage_type_id, instant)
        if agreed is not None:
            self._periods[key] = agreed
        return agreed


def _divide_all(move: MoveBoundaries, summaries: Sequence[UnratedSummary], places: Mapping[int, _Place | None]) -> None:
    """Bring each summary to its allowance; a frozen one has it for ever."""
    cut: dict[tuple[str, str, Period], tuple[AgreedPeriod, dict[datetime, UnratedSummary]]] = {}
    allowances: list[tuple[UnratedSummary, Decimal | None]] = []
    for summary in in_turns(summaries):
        place = places[summary.id]
        if place is None:
            allowances.append((summary, None))
        elif place.is_alone:
            allowances.append((summary, place.allowance))
        else:
            key = (summary.subscription_id, summary.usage_type_id, place.agreed.period)
            cut.setdefault(key, (place.agreed, {}))[1][summary.period_start] = summary
    for agreed, by_start in cut.values():
        here = [by_start.get(part.start) for part in agreed.parts]
        totals = [_NOTHING if summary is None or summary.frozen else summary.total for summary in here]
        divisions = zip(here, divide(agreed, totals), strict=True)
        allowances += [(summary, division.allowance) for summary, division in divisions if summary is not None]
    moved = [(one, allowance) for one, allowance in allowances if one.allowance != allowance and not one.frozen]
    move(moved)
    for summary, _ in moved:
        summary.changed = True


def _settle_terms(summary: UnratedSummary, place: _Place | None, quotas: QuotaBook) -> SummaryTerms:
    """Let a summary say what it is under."""
    if place is None:
        return SummaryTerms(quotas.by_id(summary.quota_id), summary.period_start)
    segment, quota = place.part.segment, place.part.quota
    if quota is None or summary.frozen:
        # Without a quota any more it is not charged; what it was charged by stands behind what is given back.
        quota = quotas.by_id(summary.quota_id)
    quota_id = None if quota is None else quota.id
    if (summary.period_end, summary.bills_at, summary.quota_id) != (segment.end, segment.bills_at, quota_id):
        summary.period_end, summary.bills_at, summary.quota_id = segment.end, segment.bills_at, quota_id
        summary.changed = True
    if summary.sources:
        first, *others = summary.sources
        summary.sources = [{**first, "segments": _segments(place.agreed)}, *others]
    return SummaryTerms(quota, segment.period.start, place.agreed)


def _segments(agreed: AgreedPeriod) -> list[list[int]]:
    """The segments of a billing period, [start, end] of each, in microseconds since the epoch."""
    return [[(instant - _EPOCH) // INSTANT for instant in (part.start, part.end)] for part in agreed.parts]
