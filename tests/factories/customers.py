"""Customers and their subscriptions."""

from datetime import datetime

from sqlalchemy.orm import Session

from tests.factories.catalog import LONG_AGO
from usage_billing.customers.models import Customer
from usage_billing.customers.service import NewCustomer, add_customer
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.service import NewSubscription, add_subscription


def make_customer(session: Session, *, id: str = "user123", name: str = "Ann", email: str | None = None) -> Customer:
    """A customer."""
    return add_customer(session, NewCustomer(id=id, name=name, email=email))


def make_subscription(
    session: Session,
    *,
    id: str = "sub456",
    customer: str = "user123",
    plan: str = "business",
    started_at: datetime = LONG_AGO,
    timezone: str = "UTC",
) -> Subscription:
    """A subscription that started long ago and has no end."""
    new = NewSubscription(id=id, customer_id=customer, plan_id=plan, started_at=started_at, timezone=timezone)
    return add_subscription(session, new, by="test", now=LONG_AGO)
