"""Subscriptions with their terms, as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.subscriptions.models import Subscription, SubscriptionTerm
from usage_billing.subscriptions.service import terms_by_subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription; ``plan_id`` is the plan of the last of its ``terms``."""

    id: str
    customer_id: str
    plan_id: str
    started_at: datetime
    ended_at: datetime | None
    timezone: str
    anchor: str
    created_at: datetime
    terms: Sequence[SubscriptionTerm]


def subscription_views(session: Session, subscriptions: Sequence[Subscription]) -> list[SubscriptionView]:
    """These subscriptions with their terms in order, read at once."""
    terms = terms_by_subscription(session, [subscription.id for subscription in subscriptions])
    return [
        SubscriptionView(
            id=subscription.id,
            customer_id=subscription.customer_id,
            plan_id=subscription.plan_id,
            started_at=subscription.started_at,
            ended_at=subscription.ended_at,
            timezone=subscription.timezone,
            anchor=subscription.anchor,
            created_at=subscription.created_at,
            terms=terms.get(subscription.id, []),
        )
        for subscription in subscriptions
    ]


def subscription_view(session: Session, subscription: Subscription) -> SubscriptionView:
    """One of them."""
    return subscription_views(session, [subscription])[0]
