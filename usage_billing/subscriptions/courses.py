"""The segments of a usage type one after the other, over all billing periods. Pure."""

from collections.abc import Iterator
from datetime import datetime

from usage_billing.catalog.quotas import QuotaBook
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment, agreed_period
from usage_billing.subscriptions.lifecycle import Timeline


def segments_from(
    timeline: Timeline, quotas: QuotaBook, subscription_id: str, usage_type_id: str, *, start: datetime, until: datetime
) -> Iterator[tuple[AgreedPeriod, AgreedSegment]]:
    """Each segment from the one around ``start`` to the last that has begun at ``until``, with its period.

    Pauses are left out.
    """
    at: datetime | None = start
    while at is not None and at <= until:
        agreed = agreed_period(timeline, quotas, subscription_id, usage_type_id, at)
        part = None if agreed is None else agreed.part_at(at)
        if agreed is None or part is None:
            begins = (term.starts_at for term in timeline.terms if term.starts_at > at and not term.paused)
            at = min(begins, default=None)
            continue
        yield agreed, part
        at = part.end
