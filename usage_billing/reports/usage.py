"""What was used, allowed, left and beyond, and what that would cost: from the running totals, never from events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota, UsageType
from usage_billing.catalog.queries import QuotaBook, plans_by_id, quotas_of
from usage_billing.core.decimals import EXACT
from usage_billing.core.periods import Period, period_at
from usage_billing.customers.service import get_customer
from usage_billing.metering.models import UsageSummary
from usage_billing.metering.split import beyond
from usage_billing.rating.engine import amount_for
from usage_billing.subscriptions.agreement import agreed_at
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import timelines_of
from usage_billing.subscriptions.service import get_subscription

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """``start <= instant < end``; None leaves a side open."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLine:
    """One usage type of one subscription in one period. ``limit`` None: nothing is ever charged."""

    subscription_id: str
    usage_type: str
    unit_name: str
    has_quota: bool
    used: Decimal
    limit: Decimal | None
    remaining: Decimal | None
    overage: Decimal
    estimated_charge: Decimal
    currency: str
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a summary says; nothing at all for a type that was not used yet."""

    period: Period
    total: Decimal = _NOTHING
    beyond_events: int = 0


_Lines = dict[tuple[datetime, str], _Counted]
"""What one subscription used, by start of segment and usage type."""


def usage_of_customer(session: Session, customer_id: str, *, now: datetime, span: Span | None) -> list[UsageLine]:
    """Every subscription of a customer, in the present period or in those that overlap ``span``.

    Raises NotFound.
    """
    get_customer(session, customer_id)
    statement = select(Subscription).where(Subscription.customer_id == customer_id).order_by(Subscription.id)
    return lines_of(session, session.scalars(statement).all(), now=now, span=span)


def usage_of_subscription(
    session: Session, subscription_id: str, *, now: datetime, span: Span | None
) -> list[UsageLine]:
    """The same for one subscription; raises NotFound."""
    return lines_of(session, [get_subscription(session, subscription_id)], now=now, span=span)


def lines_of(
    session: Session, subscriptions: Sequence[Subscription], *, now: datetime, span: Span | None
) -> list[UsageLine]:
    """The lines of these subscriptions, by subscription, period and usage type.

    Of the present period every type with a quota is listed, used or not; of others what was used.
    """
    timelines = timelines_of(session, [subscription.id for subscription in subscriptions])
    plans = plans_by_id(session, {term.plan_id for line in timelines.values() for term in line.terms})
    quotas = quotas_of(session, plans, subscription_ids=timelines)
    units = {row[0]: row[1] for row in session.execute(select(UsageType.id, UsageType.unit_name))}
    lines: list[UsageLine] = []
    for subscription in subscriptions:
        timeline = timelines[subscription.id]
        present = span or _present_period(timeline, now)
        found = _counted(session, subscription.id, present)
        if span is None:
            _add_unused(found, subscription.id, timeline, quotas, at=_begun(timeline, present, now))
        currency = plans[subscription.plan_id].currency
        for (start, usage_type), counted in sorted(found.items()):
            quota, limit = _terms(subscription.id, usage_type, timeline, quotas, at=start)
            unit_name = quota.unit_name if quota else units.get(usage_type, usage_type)
            named = _Named(subscription.id, usage_type, unit_name, currency)
            lines.append(_line(named, counted, quota, limit))
    return lines


def _present_period(timeline: Timeline, now: datetime) -> Span:
    """The whole billing period at ``now``, on the calendar of the term in force or else of the last one."""
    term = timeline.term_at(now) or timeline.terms[-1]
    period = period_at(now, zone=timeline.zone, cadence=term.terms.cadence)
    return Span(start=period.start, end=period.end)


def _counted(session: Session, subscription_id: str, span: Span) -> _Lines:
    """The summaries that overlap ``span``."""
    statement = select(UsageSummary).where(UsageSummary.subscription_id == subscription_id)
    if span.end is not None:
        statement = statement.where(UsageSummary.period_start < span.end)
    if span.start is not None:
        statement = statement.where(UsageSummary.period_end > span.start)
    return {
        (row.period_start, row.usage_type_id): _Counted(
            Period(row.period_start, row.period_end), row.total, row.beyond_events
        )
        for row in session.scalars(statement)
    }


def _begun(timeline: Timeline, present: Span, now: datetime) -> datetime:
    """Now, or when the subscription begins if that is yet to come in the present period."""
    begins = timeline.terms[0].starts_at
    return begins if now < begins and (present.end is None or begins < present.end) else now


def _add_unused(found: _Lines, subscription_id: str, timeline: Timeline, quotas: QuotaBook, *, at: datetime) -> None:
    """Every type that the plan has a quota for, in the segment that holds ``at``."""
    running = timeline.segment_at(at)
    if running is None:
        return
    for usage_type in quotas.usage_types_of(running.plan_id, subscription_id):
        agreed = agreed_at(timeline, quotas, subscription_id, usage_type, at)
        if agreed is not None:
            segment = agreed.segment
            found.setdefault((segment.start, usage_type), _Counted(Period(segment.start, segment.end)))


def _terms(
    subscription_id: str, usage_type: str, timeline: Timeline, quotas: QuotaBook, *, at: datetime
) -> tuple[UsageQuota | None, Decimal | None]:
    """The quota in force for the segment that begins ``at``, and the segment's part of its limit."""
    agreed = agreed_at(timeline, quotas, subscription_id, usage_type, at)
    return (None, None) if agreed is None else (agreed.quota, agreed.allowance)


class _Named(NamedTuple):
    """What a line is of."""

    subscription_id: str
    usage_type: str
    unit_name: str
    currency: str


def _line(named: _Named, counted: _Counted, quota: UsageQuota | None, limit: Decimal | None) -> UsageLine:
    overage = beyond(counted.total, limit)
    charge = _NOTHING
    if quota is not None and limit is not None:
        charge = amount_for(quota.price, overage, recordings=counted.beyond_events, currency=named.currency)
    return UsageLine(
        **named._asdict(),
        has_quota=quota is not None,
        used=counted.total,
        limit=limit,
        remaining=None if limit is None else max(EXACT.subtract(limit, counted.total), _NOTHING),
        overage=overage,
        estimated_charge=charge,
        period_start=counted.period.start,
        period_end=counted.period.end,
    )
