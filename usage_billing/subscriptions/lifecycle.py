"""What was agreed when, and which part of a billing period an instant falls in. Pure.

A subscription is a sequence of terms, each on one plan or a pause. If a term begins or ends within a billing period, or
an immediate quota version takes effect in it, the period is cut there into segments. Each segment is counted, rated and
charged by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import msgspec

from usage_billing.core.choices import NOT_AT_ALL
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Cadence, Period, period_at
from usage_billing.core.proration import part_of, share_until
from usage_billing.core.versions import Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a plan says about time: how often it bills, and how it divides a period that is cut.

    ``claws_back``: when the plan is left, usage that was free and is no longer covered is charged.
    """

    cadence: Cadence
    proration: str
    prorates_edges: bool
    claws_back: bool = False


class Term(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From ``starts_at`` to before ``ends_at`` (None: for ever) the subscription is on ``plan_id``, or paused."""

    plan_id: str
    starts_at: datetime
    ends_at: datetime | None
    paused: bool
    terms: Terms

    def __contains__(self, instant: datetime) -> bool:
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of ``period`` within one term: the whole period, unless something changes in it.

    ``first`` and ``last`` are running shares of the subscribed part of the period, from 0 to 1, at the segment's begin
    and end: its part of a fee lies between them. ``bills_at`` is when it is invoiced.
    """

    start: datetime
    end: datetime
    period: Period
    plan_id: str
    bills_at: datetime
    first: Fraction
    last: Fraction
    terms: Terms

    def __hash__(self) -> int:  # a hash of all fields would cost more than the work that the look-up saves
        return hash((self.plan_id, self.start, self.end))

    @property
    def is_whole(self) -> bool:
        """Whether it begins with the subscribed part of the period, and ends with it."""
        return self.end == self.period.end and not self.first

    def part_of(self, whole: Decimal, *, places: int) -> Decimal:
        """This segment's part of a fee; over the segments of a period the parts add up to the whole."""
        return part_of(whole, self.first, self.last, places=places)


@lru_cache(maxsize=1024)
def _whole(period: Period, plan_id: str, terms: Terms) -> Segment:
    """A period in which nothing changes, as most are."""
    return Segment(
        start=period.start,
        end=period.end,
        period=period,
        plan_id=plan_id,
        bills_at=period.end,
        first=Fraction(0),
        last=Fraction(1),
        terms=terms,
    )


class Timeline(msgspec.Struct, frozen=True, gc=False):
    """The terms of one subscription in order, the time zone of its periods, and when we made it."""

    zone: str
    terms: Sequence[Term]
    made_at: datetime

    def term_at(self, instant: datetime) -> Term | None:
        """The term in force at ``instant``; None before the first term and after the last."""
        return next((term for term in self.terms if instant in term), None)

    def plan_at(self, instant: datetime) -> str:
        """The plan at ``instant``: before the start the first one, after the end the last one."""
        begun = [term.plan_id for term in self.terms if term.starts_at <= instant]
        return begun[-1] if begun else self.terms[0].plan_id

    def segment_at(self, instant: datetime, *, cuts: Sequence[datetime] = ()) -> Segment | None:
        """The segment around ``instant``, cut at ``cuts`` too; None when the subscription is paused or not running."""
        term = self.term_at(instant)
        if term is None or term.paused:
            return None
        period = period_at(instant, zone=self.zone, cadence=term.terms.cadence)
        if not cuts and len(self.terms) == 1 and term.ends_at is None and term.starts_at <= period.start:
            return _whole(period, term.plan_id, term.terms)
        start = max([period.start, term.starts_at, *(cut for cut in cuts if cut <= instant)])
        end = min([period.end, *([term.ends_at] if term.ends_at else []), *(cut for cut in cuts if cut > instant)])
        first, last = self._shares(start, end, period, term)
        ended = self.terms[-1].ends_at
        return Segment(
            start=start,
            end=end,
            period=period,
            plan_id=term.plan_id,
            # When the subscription ends within the period, its final invoice does not wait for the period's end.
            bills_at=period.end if ended is None else min(period.end, ended),
            first=first,
            last=last,
            terms=term.terms,
        )

    def segments_beside(self, segment: Segment) -> Sequence[Segment]:
        """The segments of the billing period that ``segment`` is in, in order, itself included."""
        return (segment,) if len(self.terms) == 1 else tuple(self.segments_of(segment.period))

    def segments_of(self, period: Period) -> Iterator[Segment]:
        """The segments of a billing period, in order; time on a plan of another cadence is none of its own."""
        for term in self.terms:
            begins = max(term.starts_at, period.start)
            if term.paused or begins >= (period.end if term.ends_at is None else min(period.end, term.ends_at)):
                continue
            segment = self.segment_at(begins)
            if segment is not None and segment.period == period:
                yield segment

    def period_cut_at(self, at: datetime) -> datetime:
        """Where the periods begin that a change at ``at`` may change: how they are divided, or when invoiced."""
        since = at
        for term in self.terms:
            if not term.paused and term.starts_at < at:
                last = at if term.ends_at is None else min(at, term.ends_at)
                segment = self.segment_at(last - INSTANT)
                if segment is not None and segment.period.end >= at:
                    since = min(since, segment.period.start)
        return since

    def holder_of(self, plan_id: str) -> Holder | None:
        """What decides from when the versions of a plan hold; None when the subscription never is on it."""
        terms = [term for term in self.terms if term.plan_id == plan_id]
        if not terms:
            return None
        stays = {term.ends_at for term in terms}
        cadence = terms[0].terms.cadence
        return Holder(
            made_at=self.made_at,
            ended_at=self.terms[-1].ends_at,
            joined=[term.starts_at for term in terms if term.starts_at not in stays],
            period_around=lambda instant: period_at(instant, zone=self.zone, cadence=cadence),
        )

    def _shares(self, start: datetime, end: datetime, period: Period, term: Term) -> tuple[Fraction, Fraction]:
        """The running shares of the subscribed part of ``period`` at which a segment begins and ends.

        It begins with the subscription, or with the period where the plan divides the edges, and ends with the period:
        an end divides nothing but the last fee, and that only where the edges are divided.
        """
        if term.terms.proration == NOT_AT_ALL:
            return Fraction(0), Fraction(int(self._is_first_on_plan(term, period)))
        edges, begun = term.terms.prorates_edges, self.terms[0].starts_at
        subscribed = period if edges else Period(max(period.start, begun), period.end)
        first, last = (share_until(at, subscribed, method=term.terms.proration, zone=self.zone) for at in (start, end))
        return first, Fraction(1) if end == self.terms[-1].ends_at and not edges else last

    def _is_first_on_plan(self, term: Term, period: Period) -> bool:
        """Whether no earlier time in ``period`` was on the plan of ``term``: then its fee is still to be borne."""
        return not any(
            earlier.plan_id == term.plan_id and not earlier.paused and (earlier.ends_at or period.end) > period.start
            for earlier in self.terms
            if earlier.starts_at < term.starts_at
        )
