"""Which segment and which quota an instant of a usage type is under: terms and quotas taken together. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.subscriptions.lifecycle import Segment, Timeline


@dataclass(frozen=True, slots=True)
class AgreedSegment:
    """A segment and the quota that holds in it; None when the plan has none for the usage type."""

    segment: Segment
    quota: QuotaVersion | None

    @property
    def allowance(self) -> Decimal | None:
        """The segment's part of the quota's limit; None when nothing is ever charged."""
        return None if self.quota is None else self.segment.allowance(self.quota.limit)


def agreed_at(
    timeline: Timeline, quotas: QuotaBook, subscription_id: str, usage_type_id: str, instant: datetime
) -> AgreedSegment | None:
    """What holds at ``instant``; None when nothing runs then."""
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
    """The parts that versions which took effect at once cut ``segment`` into, in order."""
    begins = segment.start
    while begins < segment.end:
        part = agreed_at(timeline, quotas, subscription_id, usage_type_id, begins)
        if part is None:
            return
        yield part
        begins = part.segment.end
