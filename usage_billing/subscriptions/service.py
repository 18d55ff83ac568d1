"""Changing subscriptions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.core.periods import is_time_zone
from usage_billing.customers.models import Customer
from usage_billing.subscriptions.models import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    """What a caller gives of a subscription; ``started_at`` is aware."""

    id: str
    customer_id: str
    plan_id: str
    started_at: datetime
    timezone: str = "UTC"
    anchor: str = "calendar"


def add_subscription(session: Session, new: NewSubscription) -> Subscription:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an unknown customer, plan or zone."""
    if session.get(Customer, new.customer_id) is None:
        raise InvalidInput.field("/userId", f"there is no customer {new.customer_id}", code="unknown_customer")
    if session.get(Plan, new.plan_id) is None:
        raise InvalidInput.field("/planId", f"there is no plan {new.plan_id}", code="unknown_plan")
    if not is_time_zone(new.timezone):
        raise InvalidInput.field("/timezone", "must be an IANA time zone such as Europe/Berlin", code="unknown_zone")
    if new.anchor != "calendar":
        raise InvalidInput.field("/anchor", "only calendar is supported", code="not_supported")
    added = session.scalars(
        insert(Subscription)
        .values(
            id=new.id,
            customer_id=new.customer_id,
            plan_id=new.plan_id,
            started_at=new.started_at,
            timezone=new.timezone,
            anchor=new.anchor,
        )
        .on_conflict_do_nothing()
        .returning(Subscription)
    ).first()
    if added is None:
        raise Conflict(f"there is a subscription {new.id} already", code="already_exists")
    return added


def get_subscription(session: Session, subscription_id: str) -> Subscription:
    """Raises NotFound."""
    found = session.get(Subscription, subscription_id)
    if found is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    return found


def end_subscription(session: Session, subscription_id: str, *, ended_at: datetime) -> Subscription:
    """Let it end at ``ended_at`` (exclusive): usage after that is quarantined. An ended one cannot be moved."""
    subscription = session.scalars(
        select(Subscription).where(Subscription.id == subscription_id).with_for_update(key_share=True)
    ).first()
    if subscription is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    if subscription.ended_at is not None:
        raise Conflict(f"subscription {subscription_id} has an end already", code="already_ended")
    if ended_at <= subscription.started_at:
        raise InvalidInput.field("/endedAt", "must be after startedAt", code="out_of_range")
    subscription.ended_at = ended_at
    session.flush()
    return subscription


def lock_subscriptions(session: Session, ids: Iterable[str]) -> list[Subscription]:
    """Lock these rows against other billing, in one order, and return them; recordings are not held up."""
    statement = (
        select(Subscription)
        .where(Subscription.id.in_(set(ids)))
        .order_by(Subscription.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(statement))
