"""Creates subscriptions, with an audit entry for each."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog.models import Plan
from usage_billing.catalog.queries import fees_of, get_named, quotas_of
from usage_billing.core.errors import InvalidInput
from usage_billing.core.periods import periods_between
from usage_billing.flows.administration.facts import tell_subscription
from usage_billing.flows.administration.own_quotas import give_own_quotas
from usage_billing.flows.administration.plan_versions import give_own_fee
from usage_billing.settings import MAX_FIRST_INVOICES
from usage_billing.subscriptions import service
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import terms_on
from usage_billing.subscriptions.service import NewSubscription
from usage_billing.wire.event_type import EventType


def create_subscription(
    session: Session,
    new: NewSubscription,
    *,
    actor: str,
    now: datetime,
    most_first_invoices: int = MAX_FIRST_INVOICES,
) -> Subscription:
    """Store ``new`` with the quotas of its own, which hold from its start.

    Raises Conflict when the id is taken; InvalidInput for an unknown customer, plan, zone or usage type, for a wrong
    price, and for a start so far back that the first run would make more than ``most_first_invoices``.
    """
    subscription = service.add_subscription(session, new, by=actor, now=now)
    give_own_quotas(session, subscription, new.quotas, actor=actor, now=now)
    if new.base_fee is not None:
        give_own_fee(session, subscription, new.base_fee, new.base_fee_timing, actor=actor, now=now)
    elif new.base_fee_timing is not None:
        raise InvalidInput.field("/baseFeeTiming", "is of a baseFee, which is not given", code="contradiction")
    if not new.allow_backdating:
        _check_start(session, subscription, now=now, most=most_first_invoices)
    note(
        session,
        actor=actor,
        action="subscription.created",
        subject=f"subscription:{new.id}",
        at=now,
        userId=new.customer_id,
        planId=new.plan_id,
        startedAt=new.started_at.isoformat(),
    )
    tell_subscription(session, subscription, EventType.SUBSCRIPTION_CREATED, at=subscription.started_at, now=now)
    return subscription


def _check_start(session: Session, subscription: Subscription, *, now: datetime, most: int) -> None:
    """Raises InvalidInput if the subscription owes something for more periods that are over than ``most``."""
    plan = get_named(session, Plan, subscription.plan_id)
    quotas = quotas_of(session, [plan.id], subscription_ids=[subscription.id])
    fees = fees_of(session, [plan.id], subscription_ids=[subscription.id])
    if not fees.is_due(plan.id, subscription.id) and not quotas.has_minimum(plan.id, subscription.id):
        return
    cadence = terms_on(plan, subscription).cadence
    over = periods_between(subscription.started_at, now, zone=subscription.timezone, cadence=cadence)
    if over > most:
        message = f"is so far back that the first run makes {over} invoices; allowBackdating lets it"
        raise InvalidInput.field("/startedAt", message, code="too_far_back")
