"""Plans as they are shown: with the base fee of now, and the versions of it, the one that each was made with first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, PlanVersion
from usage_billing.catalog.plan_versions import versions_of_plans
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.service import BEFORE_ALL_PERIODS
from usage_billing.core.choices import Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstVersion:
    """The base fee that a plan was made with, as a version."""

    plan_id: str
    base_fee: Decimal | None
    base_fee_timing: str
    effective_until: datetime | None
    created_at: datetime
    version: int = 1
    asked_effective: str = Effective.START
    effective_from: datetime = BEFORE_ALL_PERIODS


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan, and the version of its base fee that holds at a moment where periods are those of the calendar in UTC."""

    plan: Plan
    fee: FirstVersion | PlanVersion


def versions_of_plan(session: Session, plan_id: str) -> Sequence[FirstVersion | PlanVersion]:
    """All of them in the order made; raises NotFound."""
    plan = get_named(session, Plan, plan_id)
    return _versions(plan, versions_of_plans(session, [plan_id]).get(plan_id, ()))


def plan_views(session: Session, plans: Sequence[Plan], *, now: datetime) -> list[PlanView]:
    """These plans in their order, each with its base fee at ``now``; their versions are read at once."""
    later = versions_of_plans(session, [plan.id for plan in plans])
    return [PlanView(plan=plan, fee=_at(_versions(plan, later.get(plan.id, ())), now)) for plan in plans]


def plan_view(session: Session, plan: Plan, *, now: datetime) -> PlanView:
    """One plan with its base fee at ``now``."""
    (view,) = plan_views(session, [plan], now=now)
    return view


def _versions(plan: Plan, later: Sequence[PlanVersion]) -> Sequence[FirstVersion | PlanVersion]:
    first = FirstVersion(
        plan_id=plan.id,
        base_fee=plan.base_fee,
        base_fee_timing=plan.base_fee_timing,
        effective_until=min((one.effective_from for one in later), default=None),
        created_at=plan.created_at,
    )
    return [first, *later]


def _at(versions: Sequence[FirstVersion | PlanVersion], now: datetime) -> FirstVersion | PlanVersion:
    """The one with the latest instant not after ``now``; of two with one instant the later."""
    begun = [one for one in versions if one.effective_from <= now]
    return max(begun, key=lambda one: (one.effective_from, one.version))
