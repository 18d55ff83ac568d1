"""The fact that an allowance is used up."""

from uuid import UUID

from usage_billing.metering.summaries import SummaryKey
from usage_billing.outbox.service import Fact
from usage_billing.subscriptions.lifecycle import Timeline


def exceeded(key: SummaryKey, timeline: Timeline, *, customer_id: str, record_id: UUID | None) -> Fact:
    """Told once in a billing period, however many segments that has; one of another cadence may begin with it.

    ``record_id`` is the first recording beyond; None of a meter, whose total went beyond.
    """
    segment = timeline.segment_at(key.period_start)
    start = key.period_start if segment is None else segment.period.start
    end = "" if segment is None else f"/{segment.period.end.isoformat()}"
    payload: dict[str, object] = {
        "userId": customer_id,
        "subscriptionId": key.subscription_id,
        "usageType": key.usage_type_id,
        "periodStart": start.isoformat(),
        "recordId": None if record_id is None else str(record_id),
    }
    dedupe_key = f"quota.exceeded:{key.subscription_id}/{key.usage_type_id}/{start.isoformat()}{end}"
    return ("quota.exceeded", dedupe_key, payload)
