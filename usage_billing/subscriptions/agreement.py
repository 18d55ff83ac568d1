"""Which segment and which quota hold for a usage type at an instant: terms and quotas taken together. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.subscriptions.lifecycle import Segment, Timeline


@dataclass(frozen=True, slots=True)
class AgreedSegment:
    """A segment and the quota that holds in it; ``quota`` is None when the usage type has none."""

    segment: Segment
    quota: QuotaVersion | None

    @property
    def allowance(self) -> Decimal | None:
        """The segment's part of the quota's limit; None when nothing is charged, whatever the usage."""
        return None if self.quota is None else self.segment.allowance(self.quota.limit)


def agreed_at(
    timeline: Timeline, quotas: QuotaBook, subscription_id: str, usage_type_id: str, instant: datetime
) -> AgreedSegment | None:
    """The segment and the quota at ``instant``; None when the subscription is paused or not running then."""
    segment = timeline.segment_at(instant)
    if segment is None:
        return None
    key = (segment.plan_id, usage_type_id, subscription_id)
    cuts = [
        cut
        for cut in quotas.cuts(*key, period_start=segment.agreed_from, start=segment.start)
        if segment.start < cut < segment.end
    ]
    if cuts:
        segment = timeline.segment_at(instant, cuts=cuts) or segment
    return AgreedSegment(segment, quotas.in_force(*key, period_start=segment.agreed_from, at=segment.start))


def agreed_within(
    timeline: Timeline, quotas: QuotaBook, subscription_id: str, usage_type_id: str, segment: Segment
) -> Iterator[AgreedSegment]:
    """The parts into which immediate quota versions cut ``segment``, in order."""
    begins = segment.start
    while begins < segment.end:
        part = agreed_at(timeline, quotas, subscription_id, usage_type_id, begins)
        if part is None:
            return
        yield part
        begins = part.segment.end
