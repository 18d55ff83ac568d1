"""Changes customers, and who bills."""

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.changes import UNCHANGED, Unchanged, given
from usage_billing.core.errors import Conflict
from usage_billing.customers.models import Customer, SellerVersion
from usage_billing.customers.parties import Address, Seller
from usage_billing.customers.queries import get_customer


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCustomer:
    """What a caller gives of a customer."""

    id: str
    name: str
    email: str | None = None
    legal_name: str | None = None
    address: Address | None = None
    tax_id: str | None = None
    language: str | None = None
    buyer_reference: str | None = None
    tax_exempt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerChanges:
    """What a caller changes of a customer; of what is None the customer has none any more."""

    name: str | Unchanged = UNCHANGED
    email: str | Unchanged | None = UNCHANGED
    legal_name: str | Unchanged | None = UNCHANGED
    address: Address | Unchanged | None = UNCHANGED
    tax_id: str | Unchanged | None = UNCHANGED
    language: str | Unchanged | None = UNCHANGED
    buyer_reference: str | Unchanged | None = UNCHANGED
    tax_exempt: bool | Unchanged = UNCHANGED


def add_customer(session: Session, new: NewCustomer) -> Customer:
    """Store ``new``; raises Conflict when the id is taken."""
    values = {field.name: _kept(getattr(new, field.name)) for field in fields(new)}
    added = session.scalars(insert(Customer).values(values).on_conflict_do_nothing().returning(Customer)).first()
    if added is None:
        raise Conflict(f"there is a customer {new.id} already", code="already_exists")
    return added


def change_customer(session: Session, customer_id: str, changes: CustomerChanges) -> Customer:
    """Set what ``changes`` gives; raises NotFound."""
    customer = get_customer(session, customer_id)
    for name, value in given(changes).items():
        setattr(customer, name, _kept(value))
    session.flush()
    return customer


def set_seller(session: Session, seller: Seller) -> SellerVersion:
    """Say who bills from now on. Final invoices keep the seller that they name.

    Raises InvalidInput where its tax is reckoned by rules, and ``tax_id`` is none of its country.
    """
    seller.check_taxes()
    said = SellerVersion(said=dict(seller.kept()))
    session.add(said)
    session.flush()
    session.refresh(said)
    return said


def _kept(value: Any) -> Any:
    return value.kept() if isinstance(value, Address) else value
