"""Changes customers."""

from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.changes import UNCHANGED, Unchanged, given
from usage_billing.core.errors import Conflict
from usage_billing.customers.models import Customer
from usage_billing.customers.queries import get_customer


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCustomer:
    """What a caller gives of a customer."""

    id: str
    name: str
    email: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChanges:
    """What a caller changes of a customer; without an ``email`` (None) the customer has none any more."""

    name: str | Unchanged = UNCHANGED
    email: str | Unchanged | None = UNCHANGED


def add_customer(session: Session, new: NewCustomer) -> Customer:
    """Store ``new``; raises Conflict when the id is taken."""
    added = session.scalars(
        insert(Customer).values(id=new.id, name=new.name, email=new.email).on_conflict_do_nothing().returning(Customer)
    ).first()
    if added is None:
        raise Conflict(f"there is a customer {new.id} already", code="already_exists")
    return added


def change_customer(session: Session, customer_id: str, changes: CustomerChanges) -> Customer:
    """Set what ``changes`` gives; raises NotFound."""
    customer = get_customer(session, customer_id)
    for name, value in given(changes).items():
        setattr(customer, name, value)
    session.flush()
    return customer
