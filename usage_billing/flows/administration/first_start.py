"""Prepares a first start: stores the configured keys, and in an empty database an example to try."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ, USAGE_WRITE
from usage_billing.access.queries import count_keys
from usage_billing.access.service import ensure_key
from usage_billing.audit.service import note
from usage_billing.catalog.models import Plan
from usage_billing.catalog.service import NewPlan, NewQuota, NewUsageType
from usage_billing.customers.models import Customer
from usage_billing.customers.service import NewCustomer
from usage_billing.db.locks import lock_first_start
from usage_billing.flows.administration.define_quota import define_quota
from usage_billing.flows.administration.manage_catalog import create_plan, create_usage_type
from usage_billing.flows.administration.manage_customers import create_customer
from usage_billing.flows.administration.manage_subscriptions import create_subscription
from usage_billing.subscriptions.service import NewSubscription

ACTOR = "first start"
EXAMPLE_CUSTOMER = "user123"
EXAMPLE_NAME = "Example customer"
EXAMPLE_PLAN = "business"
EXAMPLE_SUBSCRIPTION = "sub456"
# Usage type, allowance per month, price of a unit beyond it in USD. That of assessments is the founding document's.
_EXAMPLE_QUOTAS = (
    ("report", Decimal(100), "2.00"),
    ("assessment", Decimal(50), "10.00"),
    ("analysis", Decimal(20), "25.00"),
)


class Example(StrEnum):
    """Whether the example is in the database: not at all, from an earlier start, or since this one."""

    ABSENT = "absent"
    THERE = "there"
    LOADED = "loaded"


def prepare(session: Session, *, admin_key: str, internal_key: str, secret: str, seed: bool, now: datetime) -> Example:
    """Make sure that the configured keys are valid, and with ``seed`` load the example into an empty database.

    An empty key is skipped. Returns what became of the example; two starts at once load it once. Raises
    ConfigurationError for a text that is no key.
    """
    lock_first_start(session)
    _ensure(session, admin_key, name="admin", scopes=(ADMIN,), secret=secret, now=now)
    _ensure(
        session, internal_key, name="internal", scopes=(USAGE_WRITE, USAGE_READ, BILLING_RUN), secret=secret, now=now
    )
    if seed and _is_empty(session):
        _load_example(session, now=now)
        return Example.LOADED
    there = session.scalar(select(exists(select(Customer.id).where(Customer.name == EXAMPLE_NAME))))
    return Example.THERE if there else Example.ABSENT


def _ensure(session: Session, key: str, *, name: str, scopes: tuple[str, ...], secret: str, now: datetime) -> None:
    if not key:
        return
    before = count_keys(session)
    ensure_key(session, key, name=name, scopes=scopes, secret=secret)
    if count_keys(session) > before:
        note(session, actor=ACTOR, action="key.created", subject=f"key:{name}", at=now, scopes=list(scopes))


def _is_empty(session: Session) -> bool:
    return not session.scalar(select(exists(select(Plan.id)) | exists(select(Customer.id))))


def _load_example(session: Session, *, now: datetime) -> None:
    create_customer(session, NewCustomer(id=EXAMPLE_CUSTOMER, name=EXAMPLE_NAME), actor=ACTOR, now=now)
    create_plan(session, NewPlan(id=EXAMPLE_PLAN, name="Business", currency="USD"), actor=ACTOR, now=now)
    for usage_type, limit, unit_price in _EXAMPLE_QUOTAS:
        create_usage_type(session, NewUsageType(id=usage_type, unit_name=usage_type), actor=ACTOR, now=now)
        quota = NewQuota(
            plan_id=EXAMPLE_PLAN,
            usage_type=usage_type,
            limit=limit,
            price={"model": "per_unit", "unitPrice": unit_price},
        )
        define_quota(session, quota, actor=ACTOR, now=now)
    subscription = NewSubscription(
        id=EXAMPLE_SUBSCRIPTION,
        customer_id=EXAMPLE_CUSTOMER,
        plan_id=EXAMPLE_PLAN,
        started_at=datetime(now.year - 1, 1, 1, tzinfo=UTC),
    )
    create_subscription(session, subscription, actor=ACTOR, now=now)
