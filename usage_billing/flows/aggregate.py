"""First stage of the chain: bring the marks of usage under the terms that are in force.

The totals themselves are kept as usage arrives. What is left to do is rare: a quota came after the usage, or the
subscription changed in mid-period, and the recordings are divided at another allowance, in the order recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.queries import QuotaBook
from usage_billing.flows.recording_context import new_summary
from usage_billing.metering.service import remark
from usage_billing.metering.settling import Unrated
from usage_billing.metering.split import beyond
from usage_billing.subscriptions.agreement import agreed_at
from usage_billing.subscriptions.lifecycle import Timeline


@dataclass(frozen=True, slots=True)
class Aggregated:
    """What a summary is under: its quota (None: it never had one), and where its billing period starts."""

    quota: UsageQuota | None
    period_start: datetime


def aggregate(
    session: Session, summaries: Sequence[Unrated], *, timelines: Mapping[str, Timeline], quotas: QuotaBook
) -> dict[int, Aggregated]:
    """Put locked summaries under the terms in force; returns these by summary id."""
    return {
        summary.id: _aggregate_one(session, summary, timelines[summary.subscription_id], quotas)
        for summary in summaries
    }


def _aggregate_one(session: Session, summary: Unrated, timeline: Timeline, quotas: QuotaBook) -> Aggregated:
    agreed = agreed_at(timeline, quotas, summary.subscription_id, summary.usage_type_id, summary.period_start)
    if agreed is None or agreed.segment.start != summary.period_start:
        # No segment begins there any more. A change is refused where usage lies behind it, so nothing counts here.
        _divide(session, summary, None)
        return Aggregated(quotas.by_id(summary.quota_id), summary.period_start)
    terms = new_summary(summary.subscription_id, summary.usage_type_id, agreed)
    summary.period_end, summary.bills_at = terms.period_end, terms.bills_at
    _divide(session, summary, terms.allowance)
    # Without a quota any more it is not charged, and what it was charged by stands behind what is given back.
    quota = agreed.quota or quotas.by_id(summary.quota_id)
    summary.quota_id = None if quota is None else quota.id
    return Aggregated(quota, agreed.segment.period.start)


def _divide(session: Session, summary: Unrated, allowance: Decimal | None) -> None:
    if summary.allowance != allowance:
        summary.allowance = allowance
        summary.beyond_events = remark(session, summary.id, limit=allowance)
        summary.beyond_limit = beyond(summary.total, allowance)
