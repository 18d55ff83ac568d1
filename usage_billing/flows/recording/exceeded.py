"""The fact that an allowance is used up."""

from uuid import UUID

from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.outbox.service import Fact
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.wire.event import QUOTA_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show


def exceeded(key: SummaryKey, timeline: Timeline, *, customer_id: str, record_id: UUID | None) -> Fact:
    """Told once in a billing period, however many segments that has; one of another cadence may begin with it.

    ``record_id`` is the first recording beyond; None of a meter, whose total went beyond.
    """
    segment = timeline.segment_at(key.period_start)
    start = key.period_start if segment is None else segment.period.start
    end = "" if segment is None else f"/{segment.period.end.isoformat()}"
    told = {
        "customer_id": customer_id,
        "subscription_id": key.subscription_id,
        "usage_type": key.usage_type_id,
        "period_start": start,
        "period_end": None if segment is None else segment.period.end,
        "record_id": record_id,
    }
    dedupe_key = f"quota.exceeded:{key.subscription_id}/{key.usage_type_id}/{start.isoformat()}{end}"
    return Fact(EventType.QUOTA_EXCEEDED, dedupe_key, show(QUOTA_TOLD, told), customer_id)
