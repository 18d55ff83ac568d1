"""Creates and changes customers, and says who bills, with an audit entry for each change."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.changes import given
from usage_billing.customers import service
from usage_billing.customers.models import Customer, SellerVersion
from usage_billing.customers.parties import Seller
from usage_billing.customers.service import CustomerChanges, NewCustomer


def create_customer(session: Session, new: NewCustomer, *, actor: str, now: datetime) -> Customer:
    """Store ``new``; raises Conflict when the id is taken."""
    customer = service.add_customer(session, new)
    note(session, actor=actor, action="customer.created", subject=f"customer:{new.id}", at=now, name=new.name)
    return customer


def change_customer(
    session: Session, customer_id: str, changes: CustomerChanges, *, actor: str, now: datetime
) -> Customer:
    """Set what ``changes`` gives; raises NotFound."""
    customer = service.change_customer(session, customer_id, changes)
    note(
        session,
        actor=actor,
        action="customer.changed",
        subject=f"customer:{customer_id}",
        at=now,
        fields=sorted(given(changes)),
    )
    return customer


def set_seller(session: Session, seller: Seller, *, actor: str, now: datetime) -> SellerVersion:
    """Say who bills from now on; final invoices keep the seller that they name."""
    said = service.set_seller(session, seller)
    note(session, actor=actor, action="seller.set", subject="seller", at=now, name=seller.legal_name)
    return said
