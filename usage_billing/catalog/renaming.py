"""Changes what of the catalogue is no part of what was agreed: names, and how charges are taxed."""

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan, UsageType
from usage_billing.catalog.queries import get_named


def change_plan(
    session: Session,
    plan_id: str,
    *,
    name: str | None = None,
    tax_category: str | None = None,
    customer_alerts: bool | None = None,
) -> Plan:
    """Rename a plan, tax its base fee in another way, say whether its customers may set alerts; raises NotFound.

    Its currency and interval are part of what was agreed and never change.
    """
    plan = get_named(session, Plan, plan_id)
    plan.name = name or plan.name
    plan.tax_category = tax_category or plan.tax_category
    plan.customer_alerts = plan.customer_alerts if customer_alerts is None else customer_alerts
    session.flush()
    return plan


def change_usage_type(
    session: Session, usage_type_id: str, *, unit_name: str | None = None, tax_category: str | None = None
) -> UsageType:
    """Rename the unit of a usage type, tax it in another way, or both; raises NotFound.

    Quotas that exist keep the unit name they were made with.
    """
    usage_type = get_named(session, UsageType, usage_type_id)
    usage_type.unit_name = unit_name or usage_type.unit_name
    usage_type.tax_category = tax_category or usage_type.tax_category
    session.flush()
    return usage_type
