"""Changes the catalogue: plans, usage types, and new versions of quotas."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.catalog.cell_prices import check_by_dimension
from usage_billing.catalog.ends import move_version, tell_ends
from usage_billing.catalog.fees import FeeTiming
from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.catalog.rollover import QuotaRollover, check_rollover, rollover_columns
from usage_billing.core.choices import INTERVALS, METHODS, Effective, OnDowngrade
from usage_billing.core.decimals import MAX_PRICE
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.limits import MAX_COUNT
from usage_billing.core.periods import Cadence, period_at
from usage_billing.rating.currency import is_currency
from usage_billing.rating.engine import check_storable
from usage_billing.rating.price import parse_price
from usage_billing.rating.pricing.by_dimension import ByDimension
from usage_billing.rating.tax.categories import TaxCategory

BEFORE_ALL_PERIODS = datetime(1970, 1, 1, tzinfo=UTC)
"""From when a version is said to hold that holds from the start of every subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlan:
    """What a caller gives of a plan. ``base_fee`` is per period, in units of the currency, not cents."""

    id: str
    name: str
    currency: str
    interval: str = "month"
    interval_count: int = 1
    base_fee: Decimal | None = None
    base_fee_timing: str = FeeTiming.ARREARS
    proration: str = "time"
    prorates_edges: bool = False
    on_downgrade: str = OnDowngrade.KEEP
    payment_days: int = 30
    tax_category: str = TaxCategory.STANDARD
    customer_alerts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUsageType:
    """What a caller gives of a usage type. With ``of`` it is a meter, and counts recordings of that other type.

    ``quantity_from`` is the expression over metadata that makes the quantity of its recordings.
    """

    id: str
    unit_name: str
    aggregation: str = "sum"
    of: str | None = None
    tax_category: str = TaxCategory.STANDARD
    quantity_from: str | None = None


OF_EVERY_USAGE_TYPE = tuple(name for name in NewUsageType.__slots__ if name != "quantity_from")
"""What of ``NewUsageType`` a meter has as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuota:
    """What a caller gives of a quota. ``limit`` is the allowance per period; with None nothing is charged.

    ``price`` has its decimals as texts, in units of the plan's currency; a ``currency`` that is given must be that one.
    ``subscription_id`` makes the quota that subscription's own. ``effective`` is one of ``Effective`` or an aware
    instant; None is for the first one of a plan the period that runs, and for a later one the next. With
    ``reprice_usage`` it may make what is recorded dearer. ``rollover`` says what is carried over when a period ends;
    None: nothing is.
    """

    plan_id: str
    usage_type: str
    limit: Decimal | None
    price: dict[str, object]
    unit_name: str | None = None
    subscription_id: str | None = None
    effective: str | datetime | None = None
    currency: str | None = None
    reprice_usage: bool = False
    rollover: QuotaRollover | None = None


def add_plan(session: Session, new: NewPlan) -> Plan:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for what a plan cannot have."""
    _check_plan(new)
    added = session.scalars(
        insert(Plan)
        .values(**{name: getattr(new, name) for name in NewPlan.__slots__})
        .on_conflict_do_nothing()
        .returning(Plan)
    ).first()
    if added is None:
        raise Conflict(f"there is a plan {new.id} already", code="already_exists")
    return added


def _check_plan(new: NewPlan) -> None:
    if not is_currency(new.currency):
        raise InvalidInput.field("/currency", "must be an ISO 4217 currency code such as USD", code="unknown_currency")
    for pointer, value, allowed in (
        ("/interval", new.interval, INTERVALS),
        ("/baseFeeTiming", new.base_fee_timing, tuple(FeeTiming)),
        ("/proration", new.proration, METHODS),
        ("/onDowngrade", new.on_downgrade, tuple(OnDowngrade)),
        ("/taxCategory", new.tax_category, tuple(TaxCategory)),
    ):
        if value not in allowed:
            raise InvalidInput.field(pointer, f"must be one of: {', '.join(allowed)}", code="not_supported")
    if not 1 <= new.interval_count <= MAX_COUNT:
        raise InvalidInput.field("/intervalCount", f"must be from 1 to {MAX_COUNT}", code="out_of_range")
    if not 0 <= new.payment_days <= MAX_COUNT:
        raise InvalidInput.field("/paymentDays", f"must be from 0 to {MAX_COUNT}", code="out_of_range")
    if new.base_fee is not None and not 0 <= new.base_fee <= MAX_PRICE:
        raise InvalidInput.field("/baseFee", f"must be from 0 to {MAX_PRICE:f}", code="out_of_range")


def add_usage_type(session: Session, new: NewUsageType) -> UsageType:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an aggregation that only a meter has."""
    if new.aggregation != "sum" and new.of is None:
        message = "only sum, unless of says which recordings a meter measures"
        raise InvalidInput.field("/aggregation", message, code="not_supported")
    values = {name: getattr(new, name) for name in OF_EVERY_USAGE_TYPE}
    added = session.scalars(insert(UsageType).values(values).on_conflict_do_nothing().returning(UsageType)).first()
    if added is None:
        raise Conflict(f"there is a usage type {new.id} already", code="already_exists")
    return added


def add_quota_version(
    session: Session, new: NewQuota, *, now: datetime, holds_from: datetime | None = None
) -> UsageQuota:
    """Store what ``next_quota_version`` returns; raises as it does."""
    version = next_quota_version(session, new, now=now, holds_from=holds_from)
    store_quota_version(session, new, version)
    return version


def store_quota_version(session: Session, new: NewQuota, version: UsageQuota) -> None:
    """Store the next version of the quota of ``new``, and until when the others hold."""
    tell_ends(session, versions_of(session, new), added=version)


def next_quota_version(
    session: Session, new: NewQuota, *, now: datetime, holds_from: datetime | None = None, lock: bool = True
) -> UsageQuota:
    """A version that was asked for at ``now``; ``holds_from`` is from when it holds where that is one instant.

    It is not stored yet; with ``lock`` its plan is locked until it is. Raises InvalidInput for an unknown plan or usage
    type, another currency than the plan's, or a wrong price.
    """
    price = parse_price(new.price)
    check_storable(price)
    # The row lock makes two admins take turns. Without it the exclusion constraint would refuse the second.
    plan = session.get(Plan, new.plan_id, with_for_update={"key_share": True} if lock else None)
    if plan is None:
        raise InvalidInput.field("/planId", f"there is no plan {new.plan_id}", code="unknown_plan")
    if new.currency not in {None, plan.currency}:
        raise InvalidInput.field("/currency", f"the plan is in {plan.currency}", code="other_currency")
    usage_type = session.get(UsageType, new.usage_type)
    if usage_type is None:
        raise InvalidInput.field("/usageType", f"there is no usage type {new.usage_type}", code="unknown_usage_type")
    if isinstance(price.model, ByDimension):
        check_by_dimension(price.model, usage_type, limit=new.limit)
    if usage_type.of is not None and price.model.counts_recordings:
        message = "charges recordings one by one: a meter has a total, and no recordings of its own"
        raise InvalidInput.field("/price", message, code="not_supported")
    check_rollover(new.rollover, limit=new.limit, price=price, is_meter=usage_type.of is not None)
    versions = versions_of(session, new)
    effective = _effective(new, is_first=not versions)
    begins = holds_from or now
    if holds_from is None and effective not in {Effective.NOW, Effective.INSTANT}:
        begins = begins_by_calendar(plan, effective, now)
    return UsageQuota(
        plan_id=plan.id,
        usage_type_id=usage_type.id,
        subscription_id=new.subscription_id,
        version=1 + max((one.version for one in versions), default=0),
        immediate=new.subscription_id is not None or effective in {Effective.NOW, Effective.INSTANT},
        monthly_limit=new.limit,
        price=price.fields(),
        unit_name=new.unit_name or usage_type.unit_name,
        effective=effective,
        asked_at=now,
        effective_from=begins,
        **rollover_columns(new.rollover),
    )


def versions_of(session: Session, new: NewQuota) -> list[UsageQuota]:
    """The versions that there are of the quota that ``new`` would be one of, in the order made."""
    if new.subscription_id is not None:
        return own_versions(session, new.subscription_id, new.usage_type)
    statement = select(UsageQuota).where(
        UsageQuota.plan_id == new.plan_id,
        UsageQuota.usage_type_id == new.usage_type,
        UsageQuota.subscription_id.is_(None),
    )
    return list(session.scalars(statement.order_by(UsageQuota.id)))


def own_versions(session: Session, subscription_id: str, usage_type: str) -> list[UsageQuota]:
    """The versions of a subscription's own quota, in the order made, whatever plan each was given on."""
    statement = select(UsageQuota).where(
        UsageQuota.subscription_id == subscription_id, UsageQuota.usage_type_id == usage_type
    )
    return list(session.scalars(statement.order_by(UsageQuota.id)))


def _effective(new: NewQuota, *, is_first: bool) -> Effective:
    if isinstance(new.effective, datetime):
        return Effective.INSTANT
    if new.effective is not None:
        return Effective(new.effective)
    return Effective.PERIOD if is_first else Effective.NEXT_PERIOD


def begins_by_calendar(plan: Plan, effective: Effective, now: datetime) -> datetime:
    """From when it holds for a subscription whose periods go by the calendar in UTC."""
    if effective == Effective.START:
        return BEFORE_ALL_PERIODS
    running = period_at(now, zone="UTC", cadence=Cadence(plan.interval, plan.interval_count))
    return running.start if effective == Effective.PERIOD or running.start == now else running.end


def move_own_quotas(session: Session, subscription_id: str, *, since: datetime, to: datetime) -> None:
    """Let the versions of a subscription's own quotas that hold from its start hold from another one.

    One that was ended as of its start, and so never holds, ends with the other.
    """
    for one in session.scalars(select(UsageQuota).where(UsageQuota.subscription_id == subscription_id)):
        move_version(one, since=since, to=to)
    session.flush()
