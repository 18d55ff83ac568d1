"""Creates subscriptions, with an audit entry for each."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.flows.administration.manage_catalog import give_own_quotas
from usage_billing.subscriptions import service
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.service import NewSubscription


def create_subscription(session: Session, new: NewSubscription, *, actor: str, now: datetime) -> Subscription:
    """Store ``new`` with the quotas of its own, which hold from its start.

    Raises Conflict when the id is taken; InvalidInput for an unknown customer, plan, zone or usage type, and for a
    wrong price.
    """
    subscription = service.add_subscription(session, new, by=actor, now=now)
    give_own_quotas(session, subscription, new.quotas, actor=actor, now=now)
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
    return subscription
