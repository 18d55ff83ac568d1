"""Reading credit."""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.balances.models import CreditBalance, CreditEntry


def balances_of(session: Session, customer_id: str) -> Sequence[CreditBalance]:
    """What a customer has in hand, by currency; one that never was owed anything has no balance."""
    statement = select(CreditBalance).where(CreditBalance.customer_id == customer_id)
    return session.scalars(statement.order_by(CreditBalance.currency)).all()


def entries_of(customer_id: str) -> Select[CreditEntry]:
    """The statement for a list of the changes."""
    return select(CreditEntry).where(CreditEntry.customer_id == customer_id)
