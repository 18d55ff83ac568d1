"""Subscriptions with their terms, as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from usage_billing.subscriptions.models import Subscription, SubscriptionTerm
from usage_billing.subscriptions.queries import terms_by_subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription with its terms in order."""

    subscription: Subscription
    terms: Sequence[SubscriptionTerm]


def subscription_views(session: Session, subscriptions: Sequence[Subscription]) -> list[SubscriptionView]:
    """These subscriptions with their terms, read at once."""
    terms = terms_by_subscription(session, [subscription.id for subscription in subscriptions])
    return [SubscriptionView(subscription=one, terms=terms.get(one.id, [])) for one in subscriptions]


def subscription_view(session: Session, subscription: Subscription) -> SubscriptionView:
    """This subscription with its terms."""
    return subscription_views(session, [subscription])[0]
