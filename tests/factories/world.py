"""The founding document's example as a whole."""

from sqlalchemy.orm import Session

from tests.factories.catalog import make_plan, make_quota, make_usage_type
from tests.factories.customers import make_customer, make_subscription


def make_world(session: Session, *, limit: str | int | None = 50, unit_price: str = "10.00") -> None:
    """user123 on plan business with sub456, and a quota on assessments; report is counted without a quota."""
    make_customer(session)
    make_plan(session)
    make_usage_type(session, id="assessment")
    make_usage_type(session, id="report")
    make_quota(session, limit=limit, unit_price=unit_price)
    make_subscription(session)
