"""What was used, allowed, left and beyond, and what that would cost: from the running totals, never from events."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.catalog.queries import QuotaBook, quotas_of
from usage_billing.core.decimals import EXACT
from usage_billing.core.periods import Period, period_at
from usage_billing.customers.service import get_customer
from usage_billing.metering.models import UsageSummary
from usage_billing.metering.split import beyond
from usage_billing.rating.engine import amount_for
from usage_billing.subscriptions.models import Subscription
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
    rows = session.scalars(select(Plan).where(Plan.id.in_({s.plan_id for s in subscriptions})))
    plans = {plan.id: plan for plan in rows}
    quotas = quotas_of(session, plans)
    units = {row[0]: row[1] for row in session.execute(select(UsageType.id, UsageType.unit_name))}
    wanted = {s.id: period_at(now, zone=s.timezone) for s in subscriptions if span is None and _runs(s, now)}
    counted = _counted(session, [s.id for s in subscriptions], wanted, span)
    lines: list[UsageLine] = []
    for subscription in subscriptions:
        found = counted.get(subscription.id, {})
        if subscription.id in wanted:
            _add_unused(found, wanted[subscription.id], subscription.plan_id, quotas)
        for (start, usage_type), summary in sorted(found.items()):
            quota = quotas.for_period(subscription.plan_id, usage_type, period_start=start)
            unit_name = quota.unit_name if quota else units.get(usage_type, usage_type)
            currency = plans[subscription.plan_id].currency
            lines.append(_line(subscription.id, usage_type, summary, quota, unit_name=unit_name, currency=currency))
    return lines


def _runs(subscription: Subscription, now: datetime) -> bool:
    """Whether some of the present period belongs to ``subscription``."""
    period = period_at(now, zone=subscription.timezone)
    ended = subscription.ended_at is not None and subscription.ended_at <= period.start
    return subscription.started_at < period.end and not ended


def _counted(
    session: Session, ids: Iterable[str], wanted: dict[str, Period], span: Span | None
) -> dict[str, dict[tuple[datetime, str], _Counted]]:
    """The summaries in question, by subscription, then by period and usage type."""
    statement = select(UsageSummary).where(UsageSummary.subscription_id.in_(list(ids)))
    if span is None:
        starts = {period.start for period in wanted.values()}
        statement = statement.where(UsageSummary.period_start.in_(starts))
    else:
        if span.end is not None:
            statement = statement.where(UsageSummary.period_start < span.end)
        if span.start is not None:
            statement = statement.where(UsageSummary.period_end > span.start)
    counted: dict[str, dict[tuple[datetime, str], _Counted]] = {}
    for row in session.scalars(statement):
        period = Period(row.period_start, row.period_end)
        if span is not None or wanted.get(row.subscription_id) == period:
            found = counted.setdefault(row.subscription_id, {})
            found[row.period_start, row.usage_type_id] = _Counted(period, row.total, row.beyond_events)
    return counted


def _add_unused(
    found: dict[tuple[datetime, str], _Counted], period: Period, plan_id: str, quotas: QuotaBook
) -> None:
    for plan, usage_type in quotas.versions:
        if plan == plan_id and quotas.for_period(plan, usage_type, period_start=period.start) is not None:
            found.setdefault((period.start, usage_type), _Counted(period))


def _line(
    subscription_id: str,
    usage_type: str,
    counted: _Counted,
    quota: UsageQuota | None,
    *,
    unit_name: str,
    currency: str,
) -> UsageLine:
    limit = quota.limit if quota else None
    overage = beyond(counted.total, limit)
    charge = _NOTHING
    if quota is not None and limit is not None:
        charge = amount_for(quota.price, overage, recordings=counted.beyond_events, currency=currency)
    return UsageLine(
        subscription_id=subscription_id,
        usage_type=usage_type,
        unit_name=unit_name,
        has_quota=quota is not None,
        used=counted.total,
        limit=limit,
        remaining=None if limit is None else max(EXACT.subtract(limit, counted.total), _NOTHING),
        overage=overage,
        estimated_charge=charge,
        currency=currency,
        period_start=counted.period.start,
        period_end=counted.period.end,
    )
