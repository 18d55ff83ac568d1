"""Who uses what in the fault tests: customers with a subscription each, in every shard; three usage types."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from tests.factories import make_customer, make_plan, make_quota, make_subscription, make_usage_type

SUBSCRIPTIONS = 24
STARTED = datetime(2025, 1, 1, tzinfo=UTC)
# Usage type: allowance in a month, price beyond it.
QUOTAS = {
    "report": (Decimal(20), Decimal("2.00")),
    "assessment": (Decimal(5), Decimal("0.25")),
    "analysis": (None, None),
}


def make_many(session: Session) -> None:
    """``sub0`` of ``user0`` and so on, on one plan."""
    make_plan(session)
    for name, (limit, price) in QUOTAS.items():
        make_usage_type(session, id=name)
        limit_text = None if limit is None else str(limit)
        make_quota(session, usage_type=name, limit=limit_text, unit_price=str(price or "1.00"))
    for number in range(SUBSCRIPTIONS):
        make_customer(session, id=f"user{number}", name=f"Customer {number}")
        make_subscription(session, id=f"sub{number}", customer=f"user{number}", started_at=STARTED)
