"""Renames what is sold and what is counted. Nothing else of either changes: it is part of what was agreed."""

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageType
from usage_billing.catalog.queries import get_named


def change_plan(session: Session, plan_id: str, *, name: str) -> Plan:
    """Rename a plan; raises NotFound. Its currency and interval are part of what was agreed and never change."""
    plan = get_named(session, Plan, plan_id)
    plan.name = name
    session.flush()
    return plan


def change_usage_type(session: Session, usage_type_id: str, *, unit_name: str) -> UsageType:
    """Rename the unit of a usage type; raises NotFound. Quotas that exist keep the unit name they were made with."""
    usage_type = get_named(session, UsageType, usage_type_id)
    usage_type.unit_name = unit_name
    session.flush()
    return usage_type
