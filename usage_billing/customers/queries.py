"""Reading customers and the seller."""

from collections.abc import Iterable

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.core.spans import ALWAYS, Span
from usage_billing.customers.models import Customer, SellerVersion
from usage_billing.db.filters import begins_with, within
from usage_billing.db.session import once_while_agreed


def get_customer(session: Session, customer_id: str, *, lock: bool = False) -> Customer:
    """The customer with this id, its row locked with ``lock``; raises NotFound."""
    statement = select(Customer).where(Customer.id == customer_id)
    found = session.scalars(statement.with_for_update(key_share=True) if lock else statement).first()
    if found is None:
        raise NotFound(f"there is no customer {customer_id}")
    return found


def hold_customers(session: Session, ids: Iterable[str]) -> None:
    """Lock these customers, ordered by id, so that nothing of them changes and none buys until the transaction ends."""
    held = select(Customer.id).where(Customer.id.in_(set(ids))).order_by(Customer.id).with_for_update(read=True)
    session.execute(held)


def customers_where(*, span: Span = ALWAYS, prefix: str = "") -> Select[Customer]:
    """The statement for a list of customers that were made in ``span``, and whose ids begin with ``prefix``."""
    return within(begins_with(select(Customer), Customer.id, prefix), Customer.created_at, span)


def find_seller(session: Session) -> SellerVersion | None:
    """Who bills, as it was last said; None while it was not said."""

    def read() -> SellerVersion | None:
        return session.scalars(select(SellerVersion).order_by(SellerVersion.id.desc()).limit(1)).first()

    return once_while_agreed(session, "seller", read)


def get_seller(session: Session) -> SellerVersion:
    """Who bills, as it was last said; raises NotFound while it was not said."""
    found = find_seller(session)
    if found is None:
        raise NotFound("who bills was not said yet")
    return found
