"""Subscriptions with their terms and what is planned, as they are shown and told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.subscriptions.agreed_changes import changes_by_subscription
from usage_billing.subscriptions.models import Subscription, SubscriptionChange, SubscriptionTerm
from usage_billing.subscriptions.queries import terms_by_subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription at a moment: ``plan_id`` is the plan that it is on then, ``scheduled`` what is still to come."""

    subscription: Subscription
    plan_id: str
    terms: Sequence[SubscriptionTerm]
    scheduled: Sequence[SubscriptionChange]


def subscription_views(
    session: Session, subscriptions: Sequence[Subscription], *, now: datetime
) -> list[SubscriptionView]:
    """These subscriptions with their terms and what is planned, in order, read at once."""
    ids = [subscription.id for subscription in subscriptions]
    terms, changes = terms_by_subscription(session, ids), changes_by_subscription(session, ids)
    return [
        SubscriptionView(
            subscription=one,
            plan_id=_plan_at(terms.get(one.id, []), now) or one.plan_id,
            terms=terms.get(one.id, []),
            scheduled=[c for c in changes.get(one.id, []) if c.at > now and c.at > one.started_at],
        )
        for one in subscriptions
    ]


def subscription_view(session: Session, subscription: Subscription, *, now: datetime) -> SubscriptionView:
    """One of them."""
    return subscription_views(session, [subscription], now=now)[0]


def _plan_at(terms: Sequence[SubscriptionTerm], now: datetime) -> str | None:
    """The plan at ``now``: before the start the first one, after the end the last one."""
    begun = [term.plan_id for term in terms if term.starts_at <= now]
    return begun[-1] if begun else terms[0].plan_id if terms else None
