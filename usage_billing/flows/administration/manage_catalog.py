"""Creates and changes plans, usage types and quotas, with an audit entry for each change."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog import renaming, service
from usage_billing.catalog.models import Plan, UsageType
from usage_billing.catalog.service import NewPlan, NewUsageType


def create_plan(session: Session, new: NewPlan, *, actor: str, now: datetime) -> Plan:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an unknown currency or interval."""
    plan = service.add_plan(session, new)
    note(
        session,
        actor=actor,
        action="plan.created",
        subject=f"plan:{new.id}",
        at=now,
        name=new.name,
        currency=new.currency,
    )
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChanges:
    """What is to change of a plan; None stays as it is."""

    name: str | None = None
    tax_category: str | None = None
    customer_alerts: bool | None = None


def change_plan(session: Session, plan_id: str, changes: PlanChanges, *, actor: str, now: datetime) -> Plan:
    """Rename a plan, tax its base fee in another way, say whether its customers may set alerts; raises NotFound."""
    plan = renaming.change_plan(session, plan_id, **asdict(changes))
    allows = None if changes.customer_alerts is None else str(changes.customer_alerts).lower()
    said = _said(name=changes.name, taxCategory=changes.tax_category, customerAlerts=allows)
    note(session, actor=actor, action="plan.changed", subject=f"plan:{plan_id}", at=now, **said)
    return plan


def create_usage_type(session: Session, new: NewUsageType, *, actor: str, now: datetime) -> UsageType:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an unknown aggregation."""
    usage_type = service.add_usage_type(session, new)
    subject = f"usage-type:{new.id}"
    note(session, actor=actor, action="usage_type.created", subject=subject, at=now, unitName=new.unit_name)
    return usage_type


def change_usage_type(
    session: Session,
    usage_type_id: str,
    *,
    unit_name: str | None,
    tax_category: str | None,
    actor: str,
    now: datetime,
) -> UsageType:
    """Rename the unit of a usage type, tax it in another way, or both; raises NotFound."""
    usage_type = renaming.change_usage_type(session, usage_type_id, unit_name=unit_name, tax_category=tax_category)
    subject = f"usage-type:{usage_type_id}"
    said = _said(unitName=unit_name, taxCategory=tax_category)
    note(session, actor=actor, action="usage_type.changed", subject=subject, at=now, **said)
    return usage_type


def _said(**changes: str | None) -> dict[str, str]:
    return {name: value for name, value in changes.items() if value is not None}
