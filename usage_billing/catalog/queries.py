"""Reading the catalogue."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageQuota


@dataclass(frozen=True, slots=True)
class QuotaBook:
    """Every version of the quotas of some plans, to be asked which one a period is under."""

    versions: dict[tuple[str, str], list[UsageQuota]]

    def for_period(self, plan_id: str, usage_type_id: str, *, period_start: datetime) -> UsageQuota | None:
        """The version in force when the period began; None when the plan has no quota for the type."""
        for quota in self.versions.get((plan_id, usage_type_id), ()):
            if quota.effective_from <= period_start and (
                quota.effective_until is None or period_start < quota.effective_until
            ):
                return quota
        return None


def quotas_of(session: Session, plan_ids: Iterable[str]) -> QuotaBook:
    """The quotas of ``plan_ids``, newest version first."""
    versions: dict[tuple[str, str], list[UsageQuota]] = {}
    statement = select(UsageQuota).where(UsageQuota.plan_id.in_(set(plan_ids))).order_by(UsageQuota.version.desc())
    for quota in session.scalars(statement):
        versions.setdefault((quota.plan_id, quota.usage_type_id), []).append(quota)
    return QuotaBook(versions)


def hold_plans(session: Session, plan_ids: Iterable[str]) -> dict[str, str]:
    """The currency of each plan, whose quotas nobody can change until this transaction ends.

    Without it a run could rate and settle, by the quotas of before, usage that a quota being defined at this
    moment is for and has not seen: nobody would look at it again.
    """
    statement = select(Plan.id, Plan.currency).where(Plan.id.in_(set(plan_ids))).order_by(Plan.id)
    return {row[0]: row[1] for row in session.execute(statement.with_for_update(read=True))}
