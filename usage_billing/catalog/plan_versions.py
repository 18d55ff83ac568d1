"""Changes the base fees of plans: versions after the first, and those that are a subscription's own."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.ends import tell_ends
from usage_billing.catalog.fees import FeeTiming
from usage_billing.catalog.models import Plan, PlanVersion
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.service import begins_by_calendar
from usage_billing.core.choices import Effective
from usage_billing.core.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlanVersion:
    """What a caller gives of a version of a base fee: its amount per period, and when it is charged, None as before.

    ``effective`` and ``reprice_usage`` are as of a ``NewQuota``; with a ``subscription_id`` it is that one's own.
    """

    plan_id: str
    base_fee: Decimal
    base_fee_timing: str | None = None
    effective: str | datetime = Effective.NEXT_PERIOD
    reprice_usage: bool = False
    subscription_id: str | None = None


def add_plan_version(
    session: Session, new: NewPlanVersion, *, now: datetime, holds_from: datetime | None = None
) -> PlanVersion:
    """Store what ``next_plan_version`` returns; raises as it does."""
    version = next_plan_version(session, new, now=now, holds_from=holds_from)
    store_plan_version(session, version)
    return version


def store_plan_version(session: Session, version: PlanVersion) -> None:
    """Store the next version of a base fee, and until when the others hold."""
    versions = plan_versions(session, version.plan_id, subscription_id=version.subscription_id)
    tell_ends(session, versions, added=version)


def next_plan_version(
    session: Session, new: NewPlanVersion, *, now: datetime, holds_from: datetime | None = None, lock: bool = True
) -> PlanVersion:
    """A version of a base fee that was asked for at ``now``; ``holds_from`` as for ``next_quota_version``.

    It is not stored yet; with ``lock`` its plan is locked until it is. Raises NotFound for an unknown plan,
    InvalidInput for another timing than there is.
    """
    plan = get_named(session, Plan, new.plan_id, lock=lock)
    if new.base_fee_timing is not None and new.base_fee_timing not in set(FeeTiming):
        raise InvalidInput.field("/baseFeeTiming", f"must be one of: {', '.join(FeeTiming)}", code="not_supported")
    versions = plan_versions(session, plan.id, subscription_id=new.subscription_id)
    effective = Effective.INSTANT if isinstance(new.effective, datetime) else Effective(new.effective)
    before = versions[-1].base_fee_timing if versions else plan.base_fee_timing
    return PlanVersion(
        plan_id=plan.id,
        subscription_id=new.subscription_id,
        version=2 + len(versions),
        base_fee=new.base_fee,
        base_fee_timing=new.base_fee_timing or before,
        effective=effective,
        immediate=holds_from is not None,
        asked_at=now,
        effective_from=holds_from or begins_by_calendar(plan, effective, now),
    )


def versions_of_plans(session: Session, plan_ids: Collection[str]) -> dict[str, list[PlanVersion]]:
    """The versions of these plans' base fees after the first ones, in the order made, by plan."""
    found: dict[str, list[PlanVersion]] = {}
    statement = select(PlanVersion).where(PlanVersion.plan_id.in_(plan_ids), PlanVersion.subscription_id.is_(None))
    for version in session.scalars(statement.order_by(PlanVersion.id)):
        found.setdefault(version.plan_id, []).append(version)
    return found


def plan_versions(session: Session, plan_id: str, *, subscription_id: str | None = None) -> list[PlanVersion]:
    """The versions of a plan's base fee after its first, or those that are a subscription's own, in the order made."""
    own = PlanVersion.plan_id == plan_id if subscription_id is None else PlanVersion.subscription_id == subscription_id
    statement = select(PlanVersion).where(own, PlanVersion.subscription_id.is_not_distinct_from(subscription_id))
    return list(session.scalars(statement.order_by(PlanVersion.id)))
