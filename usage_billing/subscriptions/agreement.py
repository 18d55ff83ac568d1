"""Which segment and which quota hold for a usage type at an instant: terms and quotas taken together. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from usage_billing.catalog.fees import FeeBook, FeeVersion
from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.core.choices import NOT_AT_ALL
from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Period
from usage_billing.core.versions import ALWAYS, Course, Some, before, course_of, effective_instant, is_always
from usage_billing.subscriptions.lifecycle import Segment, Timeline

Given = TypeVar("Given", QuotaVersion, FeeVersion)


@dataclass(frozen=True, slots=True)
class AgreedSegment:
    """A segment and the quota that holds in it; ``quota`` is None when the usage type has none."""

    segment: Segment
    quota: QuotaVersion | None

    @property
    def start(self) -> datetime:
        """Where it begins."""
        return self.segment.start

    @property
    def end(self) -> datetime:
        """Where it ends."""
        return self.segment.end

    @property
    def plan_id(self) -> str:
        """The plan in force."""
        return self.segment.plan_id

    @property
    def limit(self) -> Decimal | None:
        """The quota's allowance for a whole period; None when nothing is ever charged."""
        return None if self.quota is None else self.quota.limit

    @property
    def price(self) -> Mapping[str, Any] | None:
        """What lies beyond the allowance costs; None when nothing is ever charged."""
        return None if self.quota is None or self.quota.limit is None else self.quota.price

    @property
    def method(self) -> str:
        """How its plan divides what is cut."""
        return self.segment.terms.proration

    @property
    def prorates_edges(self) -> bool:
        """Whether its plan divides the first and the last period as well."""
        return self.segment.terms.prorates_edges

    @property
    def claws_back(self) -> bool:
        """Whether leaving its plan charges what is no longer covered."""
        return self.segment.terms.claws_back


@dataclass(frozen=True, slots=True)
class AgreedPeriod:
    """A billing period as a usage type has it: all its segments in order, since when and until when it is subscribed.

    ``ended`` is when the subscription ends, if that is agreed.
    """

    period: Period
    begun: datetime
    ended: datetime | None
    zone: str
    parts: tuple[AgreedSegment, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it is one segment, up to the period's end: nothing in it depends on another."""
        return len(self.parts) == 1 and self.parts[0].end == self.period.end

    def part_at(self, instant: datetime) -> AgreedSegment | None:
        """The segment that holds ``instant``; None where nothing runs, or another cadence."""
        return next((part for part in self.parts if part.start <= instant < part.end), None)


def agreed_period(
    timeline: Timeline, quotas: QuotaBook, subscription_id: str, usage_type_id: str, instant: datetime
) -> AgreedPeriod | None:
    """The billing period around ``instant``; None when nothing runs then."""
    running = timeline.segment_at(instant)
    if running is None:
        return None
    segments = timeline.segments_beside(running)
    return agreed_over(timeline, quotas, subscription_id, usage_type_id, running.period, segments)


def agreed_over(
    timeline: Timeline,
    quotas: QuotaBook,
    subscription_id: str,
    usage_type_id: str,
    period: Period,
    segments: Sequence[Segment],
) -> AgreedPeriod:
    """A billing period of which the segments are known."""
    parts = (part for s in segments for part in agreed_within(timeline, quotas, subscription_id, usage_type_id, s))
    terms = timeline.terms
    return AgreedPeriod(period, terms[0].starts_at, terms[-1].ends_at, timeline.zone, tuple(parts))


def agreed_within(
    timeline: Timeline, quotas: QuotaBook, subscription_id: str, usage_type_id: str, segment: Segment
) -> Iterator[AgreedSegment]:
    """The parts that versions which begin or end within ``segment`` cut it into, in order."""
    course = quota_course(timeline, quotas, subscription_id, usage_type_id, segment.plan_id)
    cuts = cuts_within(course, segment)
    for begins in (segment.start, *cuts):
        part = timeline.segment_at(begins, cuts=cuts) if cuts else segment
        if part is not None:
            yield AgreedSegment(part, course.at(begins))


def quota_course(
    timeline: Timeline, quotas: QuotaBook, subscription_id: str, usage_type_id: str, plan_id: str
) -> Course[QuotaVersion]:
    """Which quota holds when for a usage type while a subscription is on a plan: its own goes before the plan's."""
    listed = quotas.listed.get((plan_id, usage_type_id), ())
    own = quotas.own.get((subscription_id, usage_type_id), ())
    course = version_course(timeline, listed, plan_id)
    return course if not own else before(_own_course(timeline, own), course)


def fee_parts(
    timeline: Timeline, fees: FeeBook, subscription_id: str, segment: Segment
) -> list[tuple[Segment, FeeVersion | None]]:
    """The parts that versions of the base fee cut a segment into, in order, each with the version that holds in it.

    Where the plan divides nothing, what holds when the segment begins holds for all of it.
    """
    listed = version_course(timeline, fees.listed.get(segment.plan_id, ()), segment.plan_id)
    own = fees.own.get(subscription_id, ())
    course = before(_own_course(timeline, own), listed) if own else listed
    divides = segment.terms.proration != NOT_AT_ALL
    cuts = [cut for cut in cuts_within(course, segment) if divides and _differs(course, cut)]
    parts = [timeline.segment_at(begins, cuts=cuts) if cuts else segment for begins in (segment.start, *cuts)]
    return [(part, course.at(part.start)) for part in parts if part is not None]


def _differs(course: Course[FeeVersion], instant: datetime) -> bool:
    was, now = (course.at(moment) for moment in (instant - INSTANT, instant))
    return was is None or now is None or (was.base_fee, was.base_fee_timing) != (now.base_fee, now.base_fee_timing)


def version_course(timeline: Timeline, versions: Sequence[Some], plan_id: str) -> Course[Some]:
    """Which of a plan's versions holds when for a subscription."""
    if len(versions) == 1 and is_always(versions[0], timeline.made_at):
        return Course((ALWAYS,), versions)
    if not versions:
        return Course()
    holder = timeline.holder_of(plan_id)
    return course_of(versions, [None if holder is None else effective_instant(one, holder) for one in versions])


def cuts_within(course: Course[Some], segment: Segment) -> list[datetime]:
    """The instants within a segment at which another version begins to hold, none does any more, or one once began."""
    if not course.instants or course.instants[-1] <= segment.start:
        return []
    return [
        instant
        for instant in course.instants
        if segment.start < instant < segment.end
        and (instant in course.seams or course.at(instant) is not course.at(instant - INSTANT))
    ]


def _own_course(timeline: Timeline, own: Sequence[Given]) -> Course[Given]:
    instants: list[datetime | None] = []
    for version in own:
        holder = None if version.exact else timeline.holder_of(version.plan_id)
        if version.exact:
            instants.append(ALWAYS if is_always(version, timeline.made_at) else version.effective_from)
        else:
            instants.append(None if holder is None else effective_instant(version, holder))
    return course_of(own, instants)
