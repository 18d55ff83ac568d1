"""Changing the catalogue: plans, usage types, and new versions of quotas."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.rating.currency import is_currency
from usage_billing.rating.price import parse_price

BEFORE_ALL_PERIODS = datetime(1970, 1, 1, tzinfo=UTC)
"""From when the first version of a quota holds: usage counted before it existed is billed by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlan:
    """What a caller gives of a plan."""

    id: str
    name: str
    currency: str
    interval: str = "month"
    interval_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUsageType:
    """What a caller gives of a usage type."""

    id: str
    unit_name: str
    aggregation: str = "sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuota:
    """What a caller gives of a quota. ``limit`` None never charges; ``price`` has its decimals as text."""

    plan_id: str
    usage_type: str
    limit: Decimal | None
    price: dict[str, object]
    unit_name: str | None = None


Named = TypeVar("Named", Plan, UsageType)


def add_plan(session: Session, new: NewPlan) -> Plan:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an unknown currency or interval."""
    if not is_currency(new.currency):
        raise InvalidInput.field("/currency", "must be an ISO 4217 currency code such as USD", code="unknown_currency")
    if (new.interval, new.interval_count) != ("month", 1):
        raise InvalidInput.field("/interval", "only one month is supported", code="not_supported")
    added = session.scalars(
        insert(Plan)
        .values(
            id=new.id,
            name=new.name,
            currency=new.currency,
            interval=new.interval,
            interval_count=new.interval_count,
        )
        .on_conflict_do_nothing()
        .returning(Plan)
    ).first()
    if added is None:
        raise Conflict(f"there is a plan {new.id} already", code="already_exists")
    return added


def add_usage_type(session: Session, new: NewUsageType) -> UsageType:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an unknown aggregation."""
    if new.aggregation != "sum":
        raise InvalidInput.field("/aggregation", "only sum is supported", code="not_supported")
    added = session.scalars(
        insert(UsageType)
        .values(id=new.id, unit_name=new.unit_name, aggregation=new.aggregation)
        .on_conflict_do_nothing()
        .returning(UsageType)
    ).first()
    if added is None:
        raise Conflict(f"there is a usage type {new.id} already", code="already_exists")
    return added


def add_quota_version(session: Session, new: NewQuota, *, now: datetime) -> UsageQuota:
    """Store a version that holds for every period starting from ``now``; the first one also for all before.

    The version before it ends at ``now``: periods under way keep it, and the past is never repriced.
    Raises InvalidInput for an unknown plan or usage type, or a wrong price.
    """
    price = parse_price(new.price)
    if price.minimum is not None:
        # It would be due in every period, used or not; until billing looks at those, promise nothing.
        raise InvalidInput.field("/price/minimumAmount", "is not supported in a quota", code="not_supported")
    # The row lock makes two admins at once take turns; the exclusion constraint would refuse the second.
    plan = session.scalars(select(Plan).where(Plan.id == new.plan_id).with_for_update(key_share=True)).first()
    if plan is None:
        raise InvalidInput.field("/planId", f"there is no plan {new.plan_id}", code="unknown_plan")
    usage_type = session.get(UsageType, new.usage_type)
    if usage_type is None:
        raise InvalidInput.field("/usageType", f"there is no usage type {new.usage_type}", code="unknown_usage_type")
    last = session.scalars(
        select(UsageQuota)
        .where(UsageQuota.plan_id == plan.id, UsageQuota.usage_type_id == usage_type.id)
        .order_by(UsageQuota.version.desc())
        .limit(1)
    ).first()
    if last is not None:
        last.effective_until = max(now, last.effective_from)
        session.flush()
    quota = UsageQuota(
        plan_id=plan.id,
        usage_type_id=usage_type.id,
        version=1 if last is None else last.version + 1,
        monthly_limit=new.limit,
        price=price.fields(),
        unit_name=new.unit_name or usage_type.unit_name,
        effective_from=BEFORE_ALL_PERIODS if last is None else last.effective_until,
    )
    session.add(quota)
    session.flush()
    return quota


def get_named(session: Session, model: type[Named], name: str) -> Named:
    """The plan or usage type ``name``; raises NotFound."""
    found = session.get(model, name)
    if found is None:
        kind = "plan" if model is Plan else "usage type"
        raise NotFound(f"there is no {kind} {name}")
    return found


def change_plan(session: Session, plan_id: str, *, name: str) -> Plan:
    """Rename a plan. Its currency and interval are part of what was agreed and never change."""
    plan = get_named(session, Plan, plan_id)
    plan.name = name
    session.flush()
    return plan


def change_usage_type(session: Session, usage_type_id: str, *, unit_name: str) -> UsageType:
    """Rename the unit, as shown from now on; quotas keep the name that they were made with."""
    usage_type = get_named(session, UsageType, usage_type_id)
    usage_type.unit_name = unit_name
    session.flush()
    return usage_type


def get_quota(session: Session, quota_id: int) -> UsageQuota:
    """Raises NotFound."""
    found = session.get(UsageQuota, quota_id)
    if found is None:
        raise NotFound(f"there is no quota {quota_id}")
    return found
