"""Rate what is new of some subscriptions and put it on their invoices: one transaction, one set at a time."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageQuota
from usage_billing.catalog.queries import hold_plans, quotas_of
from usage_billing.core.periods import Period
from usage_billing.flows.aggregate import Aggregated, aggregate
from usage_billing.flows.invoice_desk import Claim, Desk
from usage_billing.flows.open_periods import open_periods
from usage_billing.flows.run_outcome import SliceOutcome
from usage_billing.invoicing.builder import (
    FEE,
    USAGE,
    Charge,
    Charged,
    Standing,
    Tariff,
    charge_for,
    charge_for_fee,
)
from usage_billing.invoicing.fees import lock_uncharged, settle_fees
from usage_billing.invoicing.models import FeeCharge
from usage_billing.invoicing.queries import fee_cause, history_of, standing_invoices, summary_cause
from usage_billing.invoicing.service import fee_item, usage_item
from usage_billing.metering.settling import Unrated, lock_unrated, settle
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import timelines_of
from usage_billing.subscriptions.service import lock_subscriptions

_INSTANT = timedelta(microseconds=1)


def invoice_subscriptions(session: Session, ids: Collection[str], *, as_of: datetime) -> SliceOutcome:
    """Charge what these subscriptions owe as of ``as_of``; what is charged already is left alone.

    Locks, in this order: the subscriptions, their plans, their summaries to rate, their fees.
    """
    subscriptions, timelines, plans = lock_agreements(session, ids)
    quotas = quotas_of(session, plans, subscription_ids=subscriptions)
    open_periods(session, subscriptions.values(), timelines=timelines, plans=plans, quotas=quotas, as_of=as_of)
    summaries = lock_unrated(session, subscriptions.keys(), as_of=as_of)
    fees = lock_uncharged(session, subscriptions.keys(), as_of=as_of)
    if not summaries and not fees:
        return SliceOutcome()
    terms = aggregate(session, summaries, timelines=timelines, quotas=quotas)
    desk = Desk(
        as_of=as_of,
        timelines=timelines,
        history=history_of(session, summary_ids=[s.id for s in summaries], fee_ids=[f.id for f in fees]),
        invoices=dict(standing_invoices(session, subscriptions.keys())),
    )
    for summary in summaries:
        subscription = subscriptions[summary.subscription_id]
        desk.settle(_usage(summary, terms[summary.id], subscription, plans[subscription.plan_id].currency))
    for fee in fees:
        subscription = subscriptions[fee.subscription_id]
        timeline = timelines[subscription.id]
        desk.settle(_fee(fee, subscription, timeline, plans[subscription.plan_id].currency))
    outcome = desk.write(session)
    settle(session, summaries)
    settle_fees(session, fees)
    outcome.subscriptions = len({s.subscription_id for s in summaries} | {f.subscription_id for f in fees})
    return outcome


def lock_agreements(
    session: Session, ids: Collection[str]
) -> tuple[dict[str, Subscription], dict[str, Timeline], dict[str, Plan]]:
    """Lock these subscriptions and hold the plans that they are or were on; returns all three by their id."""
    subscriptions = {subscription.id: subscription for subscription in lock_subscriptions(session, ids)}
    timelines = timelines_of(session, subscriptions.keys())
    plans = hold_plans(session, {term.plan_id for line in timelines.values() for term in line.terms})
    return subscriptions, timelines, plans


def _usage(summary: Unrated, terms: Aggregated, subscription: Subscription, currency: str) -> Claim:
    standing = _standing(summary)
    tariff = _tariff(terms.quota, currency)

    def charge(kind: str, before: Charged) -> Charge | None:
        return charge_for(standing, tariff, before=before, kind=kind)

    return Claim(
        cause=summary_cause(summary.id),
        label=(subscription.id, summary.usage_type_id, summary.period_start.isoformat()),
        subscription=subscription,
        currency=currency,
        kind=USAGE,
        bills=Period(terms.period_start, summary.bills_at),
        charge=charge,
        item=_usage_item(standing, tariff),
    )


def _usage_item(standing: Standing, tariff: Tariff | None) -> Callable[[UUID, Charge], dict[str, Any]]:
    def item(invoice_id: UUID, charge: Charge) -> dict[str, Any]:
        if tariff is None:
            raise ValueError(f"summary {standing.summary_id} was charged and has no quota any more")
        return usage_item(invoice_id, charge, standing, tariff)

    return item


def _fee(fee: FeeCharge, subscription: Subscription, timeline: Timeline, currency: str) -> Claim:
    def charge(kind: str, before: Charged) -> Charge | None:
        return charge_for_fee(fee.amount, description=fee.description, before=before, kind=kind)

    # A fee in advance is billed where the period before it ends; what ends with a pause is billed after it.
    running = timeline.segment_at(fee.bills_at - _INSTANT)
    if running is None and fee.period_start < fee.bills_at:
        running = timeline.segment_at(fee.period_start)
    return Claim(
        cause=fee_cause(fee.id),
        label=(subscription.id, "fee", fee.period_start.isoformat()),
        subscription=subscription,
        currency=currency,
        kind=FEE,
        bills=Period(running.period.start if running else fee.bills_at - timedelta(days=1), fee.bills_at),
        charge=charge,
        item=lambda invoice_id, charge: fee_item(invoice_id, charge, fee),
    )


def _standing(summary: Unrated) -> Standing:
    return Standing(
        summary_id=summary.id,
        usage_type_id=summary.usage_type_id,
        period_start=summary.period_start,
        period_end=summary.period_end,
        allowance=summary.allowance,
        total=summary.total,
        billable=summary.beyond_limit,
        events=summary.events,
        billable_events=summary.beyond_events,
        voids=summary.voids,
        events_hash=summary.events_hash,
    )


def _tariff(quota: UsageQuota | None, currency: str) -> Tariff | None:
    if quota is None:
        return None
    return Tariff(quota_id=quota.id, price=quota.price, unit_name=quota.unit_name, currency=currency)
