"""First stage of the chain: bring the marks of usage under the terms that are in force.

The totals themselves are kept as usage arrives. What is left to do is rare: a quota came after the usage, or the
subscription changed in mid-period, and the recordings are divided at another allowance, in the order recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.queries import QuotaBook
from usage_billing.metering.service import remark
from usage_billing.metering.settling import Unrated
from usage_billing.metering.split import beyond
from usage_billing.subscriptions.agreement import agreed_at
from usage_billing.subscriptions.lifecycle import Segment, Timeline


class Aggregated(NamedTuple):
    """What a summary is under: its quota (None: it never had one), and where its billing period starts."""

    quota: UsageQuota | None
    period_start: datetime


@dataclass(frozen=True, slots=True)
class _Found:
    """What holds in a segment, read off once for all the summaries that are under it."""

    segment: Segment
    quota: UsageQuota | None
    quota_id: int | None
    allowance: Decimal | None


def aggregate(
    session: Session, summaries: Sequence[Unrated], *, timelines: Mapping[str, Timeline], quotas: QuotaBook
) -> dict[int, Aggregated]:
    """Put locked summaries under the terms in force; returns these by summary id."""
    shared: dict[tuple[Segment, str], _Found] = {}
    return {
        summary.id: _aggregate_one(
            session, summary, _find(summary, timelines[summary.subscription_id], quotas, shared), quotas
        )
        for summary in summaries
    }


def _find(
    summary: Unrated, timeline: Timeline, quotas: QuotaBook, shared: dict[tuple[Segment, str], _Found]
) -> _Found | None:
    """What holds for a summary; ``shared`` keeps what is the same for every subscription on the plan."""
    subscription_id, usage_type_id, starts = summary.subscription_id, summary.usage_type_id, summary.period_start
    whole = timeline.segment_at(starts)
    if whole is None:
        return None
    found = shared.get((whole, usage_type_id))
    has_own = (whole.plan_id, usage_type_id, subscription_id) in quotas.versions
    if found is not None and not has_own:
        return found
    agreed = agreed_at(timeline, quotas, subscription_id, usage_type_id, starts)
    if agreed is None:
        return None
    quota_id = None if agreed.quota is None else agreed.quota.id
    found = _Found(agreed.segment, agreed.quota, quota_id, agreed.allowance)
    # Where a version cuts the segment, its part depends on more than the segment.
    if agreed.segment == whole and not has_own:
        shared[whole, usage_type_id] = found
    return found


def _aggregate_one(session: Session, summary: Unrated, found: _Found | None, quotas: QuotaBook) -> Aggregated:
    if found is None or found.segment.start != summary.period_start:
        # No segment begins there any more. A change is refused where usage lies behind it, so nothing counts here.
        _divide(session, summary, None)
        return Aggregated(quotas.by_id(summary.quota_id), summary.period_start)
    segment, quota, quota_id = found.segment, found.quota, found.quota_id
    _divide(session, summary, found.allowance)
    if quota is None:
        # Without a quota any more it is not charged; what it was charged by stands behind what is given back.
        quota = quotas.by_id(summary.quota_id)
        quota_id = None if quota is None else quota.id
    if (summary.period_end, summary.bills_at, summary.quota_id) != (segment.end, segment.bills_at, quota_id):
        summary.period_end, summary.bills_at, summary.quota_id = segment.end, segment.bills_at, quota_id
        summary.changed = True
    return Aggregated(quota, segment.period.start)


def _divide(session: Session, summary: Unrated, allowance: Decimal | None) -> None:
    if summary.allowance != allowance:
        summary.allowance = allowance
        summary.beyond_events = remark(session, summary.id, limit=allowance)
        summary.beyond_limit = beyond(summary.total, allowance)
        summary.changed = True
