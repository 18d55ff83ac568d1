"""First stage of the chain: divides usage at the allowances that are in force now.

Recording keeps the totals as usage arrives. This stage has work only in rare cases: a quota was defined after the
usage, or the subscription changed within a period. Then it divides the recordings at the new allowance, in the order
recorded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.orm import Session

from usage_billing.catalog.quotas import QuotaBook, QuotaVersion
from usage_billing.metering.service import remark
from usage_billing.metering.split import beyond
from usage_billing.metering.unrated import UnratedSummary
from usage_billing.subscriptions.agreement import agreed_at
from usage_billing.subscriptions.lifecycle import Segment, Timeline


class SummaryTerms(NamedTuple):
    """The terms of a summary: its quota (None: it never had one), and the start of its billing period."""

    quota: QuotaVersion | None
    period_start: datetime


@dataclass(frozen=True, slots=True)
class _SegmentTerms:
    """The terms of a segment, worked out once for all summaries in it."""

    segment: Segment
    quota: QuotaVersion | None
    quota_id: int | None
    allowance: Decimal | None


def aggregate(
    session: Session, summaries: Sequence[UnratedSummary], *, timelines: Mapping[str, Timeline], quotas: QuotaBook
) -> dict[int, SummaryTerms]:
    """Put locked summaries under the terms in force; returns those terms by summary id."""
    terms = _Terms(timelines, quotas)
    return {summary.id: _aggregate_one(session, summary, terms.find(summary), quotas) for summary in summaries}


@dataclass(slots=True)
class _Terms:
    """Finds the terms of summaries, and keeps them for other subscriptions on the plan and for other usage types."""

    timelines: Mapping[str, Timeline]
    quotas: QuotaBook
    _shared: dict[tuple[Segment, str], _SegmentTerms] = field(default_factory=dict)
    _segments: dict[tuple[str, datetime], Segment | None] = field(default_factory=dict)

    def find(self, summary: UnratedSummary) -> _SegmentTerms | None:
        """The terms of a summary; None when the subscription is paused or not running where the summary begins."""
        subscription_id, usage_type_id = summary.subscription_id, summary.usage_type_id
        segment = self._segment(subscription_id, summary.period_start)
        if segment is None:
            return None
        has_own = (segment.plan_id, usage_type_id, subscription_id) in self.quotas.versions
        found = self._shared.get((segment, usage_type_id))
        if found is not None and not has_own:
            return found
        timeline = self.timelines[subscription_id]
        agreed = agreed_at(timeline, self.quotas, subscription_id, usage_type_id, summary.period_start)
        if agreed is None:
            return None
        quota_id = None if agreed.quota is None else agreed.quota.id
        found = _SegmentTerms(agreed.segment, agreed.quota, quota_id, agreed.allowance)
        # If a quota version cuts the segment, the terms depend on more than the segment, and are not kept.
        if agreed.segment == segment and not has_own:
            self._shared[segment, usage_type_id] = found
        return found

    def _segment(self, subscription_id: str, instant: datetime) -> Segment | None:
        key = (subscription_id, instant)
        if key not in self._segments:
            self._segments[key] = self.timelines[subscription_id].segment_at(instant)
        return self._segments[key]


def _aggregate_one(
    session: Session, summary: UnratedSummary, found: _SegmentTerms | None, quotas: QuotaBook
) -> SummaryTerms:
    if found is None or found.segment.start != summary.period_start:
        # No segment begins there any more. A change is refused if usage lies after it, so no recording counts here.
        _divide(session, summary, None)
        return SummaryTerms(quotas.by_id(summary.quota_id), summary.period_start)
    segment, quota, quota_id = found.segment, found.quota, found.quota_id
    _divide(session, summary, found.allowance)
    if quota is None:
        # The summary has no quota any more and is not charged. Its old quota is the one that its amounts are given
        # back by.
        quota = quotas.by_id(summary.quota_id)
        quota_id = None if quota is None else quota.id
    if (summary.period_end, summary.bills_at, summary.quota_id) != (segment.end, segment.bills_at, quota_id):
        summary.period_end, summary.bills_at, summary.quota_id = segment.end, segment.bills_at, quota_id
        summary.changed = True
    return SummaryTerms(quota, segment.period.start)


def _divide(session: Session, summary: UnratedSummary, allowance: Decimal | None) -> None:
    if summary.allowance != allowance:
        summary.allowance = allowance
        summary.beyond_events = remark(session, summary.id, limit=allowance)
        summary.beyond_limit = beyond(summary.total, allowance)
        summary.changed = True
