"""Plans, usage types and quotas."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.catalog.service import NewPlan, NewQuota, NewUsageType, add_plan, add_quota_version, add_usage_type

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_plan(session: Session, *, id: str = "business", name: str = "Business", currency: str = "USD") -> Plan:
    """A monthly plan."""
    return add_plan(session, NewPlan(id=id, name=name, currency=currency))


def make_usage_type(session: Session, *, id: str = "assessment", unit_name: str | None = None) -> UsageType:
    """A usage type that is summed up."""
    return add_usage_type(session, NewUsageType(id=id, unit_name=unit_name or id))


def make_quota(
    session: Session,
    *,
    plan: str = "business",
    usage_type: str = "assessment",
    limit: str | int | None = 50,
    unit_price: str = "10.00",
    now: datetime = LONG_AGO,
    effective: str | None = None,
) -> UsageQuota:
    """A quota of the founding document's kind; the second one for a plan and type is a new version from ``now``."""
    new = NewQuota(
        plan_id=plan,
        usage_type=usage_type,
        limit=None if limit is None else Decimal(limit),
        price={"model": "per_unit", "unitPrice": unit_price},
        effective=effective,
    )
    return add_quota_version(session, new, now=now)
