"""The versions of a plan's base fee, the one that it was made with first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, PlanVersion
from usage_billing.catalog.plan_versions import plan_versions
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


def versions_of_plan(session: Session, plan_id: str) -> Sequence[FirstVersion | PlanVersion]:
    """All of them in the order made; raises NotFound."""
    plan, later = get_named(session, Plan, plan_id), plan_versions(session, plan_id)
    first = FirstVersion(
        plan_id=plan.id,
        base_fee=plan.base_fee,
        base_fee_timing=plan.base_fee_timing,
        effective_until=min((one.effective_from for one in later), default=None),
        created_at=plan.created_at,
    )
    return [first, *later]
