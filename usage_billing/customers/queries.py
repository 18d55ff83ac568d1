"""Reading customers."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.customers.models import Customer


def get_customer(session: Session, customer_id: str) -> Customer:
    """The customer with this id; raises NotFound."""
    found = session.scalars(select(Customer).where(Customer.id == customer_id)).first()
    if found is None:
        raise NotFound(f"there is no customer {customer_id}")
    return found
