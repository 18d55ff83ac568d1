"""First stage of the chain: bring the marks of usage under the terms that are in force.

The totals themselves are kept as usage arrives. What is left to do is rare: a quota came after the usage, or the
subscription changed in mid-period, and the recordings are divided at another allowance, in the order recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.queries import QuotaBook
from usage_billing.flows.recording_context import new_summary
from usage_billing.metering.service import remark
from usage_billing.metering.settling import Unrated
from usage_billing.metering.split import beyond
from usage_billing.subscriptions.lifecycle import Timeline


@dataclass(frozen=True, slots=True)
class Aggregated:
    """What a summary is under: its quota (None: nothing is charged), and where its billing period starts."""

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
    term = timeline.term_at(summary.period_start)
    cuts = quotas.cuts(term.plan_id, summary.usage_type_id, summary.subscription_id) if term else ()
    segment = timeline.segment_at(summary.period_start, cuts=cuts)
    if segment is None or segment.start != summary.period_start:
        # Nothing runs then any more: what was recorded while it did stays under what held.
        return Aggregated(quotas.by_id(summary.quota_id), summary.period_start)
    terms = new_summary(quotas, summary.subscription_id, summary.usage_type_id, segment)
    summary.period_end, summary.bills_at, summary.quota_id = terms.period_end, terms.bills_at, terms.quota_id
    if summary.allowance != terms.allowance:
        summary.allowance = terms.allowance
        summary.beyond_events = remark(session, summary.id, limit=terms.allowance)
        summary.beyond_limit = beyond(summary.total, terms.allowance)
    return Aggregated(quotas.by_id(terms.quota_id), segment.period.start)
