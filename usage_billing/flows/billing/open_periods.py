"""Finds what is due in a period without any usage: base fees, and the minimum amounts of prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from usage_billing.catalog.fees import FeeBook, FeeTiming, FeeVersion
from usage_billing.catalog.models import Plan
from usage_billing.catalog.quotas import QuotaBook
from usage_billing.flows.recording.context import new_summary
from usage_billing.invoicing.fees import BilledSpan, NewFee
from usage_billing.invoicing.reckoning import carries_minimum
from usage_billing.invoicing.wording import Wording, days_of
from usage_billing.metering.new_summaries import NewSummary
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.agreement import agreed_period, fee_parts
from usage_billing.subscriptions.lifecycle import Segment, Timeline
from usage_billing.subscriptions.openings import BilledSubscription


@dataclass(slots=True)
class Opening:
    """What is due of some subscriptions without any usage, in the spans ``looked`` at: fees, and empty summaries.

    ``subscriptions`` say from when on billing is to look again.
    """

    subscriptions: list[BilledSubscription] = field(default_factory=list)
    looked: list[BilledSpan] = field(default_factory=list)
    fees: list[NewFee] = field(default_factory=list)
    summaries: list[NewSummary] = field(default_factory=list)


class Agreed(Protocol):
    """What was agreed with some subscriptions."""

    @property
    def subscriptions(self) -> Mapping[str, BilledSubscription]:
        """They, by id."""

    @property
    def timelines(self) -> Mapping[str, Timeline]:
        """Their terms, by id."""

    @property
    def plans(self) -> Mapping[str, Plan]:
        """The plans that they are or were on, by id."""

    @property
    def quotas(self) -> QuotaBook:
        """The plans' quotas and their own."""

    @property
    def fees(self) -> FeeBook:
        """The plans' base fees and their own."""


def open_periods(agreed: Agreed, *, as_of: datetime) -> Opening:
    """The fees and empty summaries of each segment that began by ``as_of`` and that billing has not looked at."""
    subscriptions, timelines, quotas = agreed.subscriptions.values(), agreed.timelines, agreed.quotas
    found = Opening([one for one in subscriptions if one.opens_at is not None and one.opens_at <= as_of])
    for subscription in found.subscriptions:
        timeline, since = timelines[subscription.id], subscription.opens_at
        periodic = _has_periodic(subscription, timeline, agreed)
        while periodic and subscription.opens_at is not None and subscription.opens_at <= as_of:
            segment = timeline.segment_at(subscription.opens_at)
            if segment is not None:
                plan = agreed.plans[segment.plan_id]
                for part, version in fee_parts(timeline, agreed.fees, subscription.id, segment):
                    if version is not None and version.base_fee is not None:
                        found.fees.append(_fee(subscription, plan, part, version, timeline.zone))
                found.summaries += _minimums(subscription, segment, timeline, quotas)
            subscription.opens_at = _next_opening(timeline, subscription.opens_at, segment)
        if not periodic:
            subscription.opens_at = None
        if since is not None:
            found.looked.append(BilledSpan(subscription.id, since, subscription.opens_at))
    found.summaries.sort(key=lambda new: new.key)
    return found


def _fee(subscription: BilledSubscription, plan: Plan, segment: Segment, version: FeeVersion, zone: str) -> NewFee:
    return NewFee(
        subscription_id=subscription.id,
        plan_id=plan.id,
        period_start=segment.start,
        period_end=segment.end,
        bills_at=segment.start if version.base_fee_timing == FeeTiming.ADVANCE else segment.bills_at,
        amount=segment.part_of(version.base_fee or Decimal(0), places=minor_unit(plan.currency)),
        description=Wording("fee", {"name": plan.name, **days_of(segment.start, segment.end, zone)}).text,
    )


def _minimums(
    subscription: BilledSubscription, segment: Segment, timeline: Timeline, quotas: QuotaBook
) -> list[NewSummary]:
    """The empty summaries of the segments that bear a minimum: the first of their price in a period."""
    found: list[NewSummary] = []
    for usage_type_id in quotas.usage_types_of(segment.plan_id, subscription.id):
        agreed = agreed_period(timeline, quotas, subscription.id, usage_type_id, segment.start)
        if agreed is not None:
            found += [
                new_summary(subscription.id, usage_type_id, agreed, part)
                for part in agreed.parts
                if segment.start <= part.start < segment.end and carries_minimum(agreed, part)
            ]
    return found


def _has_periodic(subscription: BilledSubscription, timeline: Timeline, agreed: Agreed) -> bool:
    """Whether anything can be due without usage; if not, billing need not look at every period."""
    name = subscription.id
    return any(
        agreed.fees.is_due(term.plan_id, name) or agreed.quotas.has_minimum(term.plan_id, name)
        for term in timeline.terms
    )


def _next_opening(timeline: Timeline, instant: datetime, segment: Segment | None) -> datetime | None:
    """When the next segment begins; None when no segment follows."""
    if segment is not None:
        instant = segment.end
        if timeline.segment_at(instant) is not None:
            return instant
    later = [term.starts_at for term in timeline.terms if term.starts_at > instant and not term.paused]
    return min(later, default=None)
