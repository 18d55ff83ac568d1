"""Reads the credit of customers."""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.balances.models import CreditBalance, CreditEntry
from usage_billing.db.session import once_while_agreed


def balances_of(session: Session, customer_id: str) -> Sequence[CreditBalance]:
    """A customer's balances, one per currency. A customer who never was granted credit has none."""

    def read() -> Sequence[CreditBalance]:
        statement = select(CreditBalance).where(CreditBalance.customer_id == customer_id)
        return session.scalars(statement.order_by(CreditBalance.currency)).all()

    return once_while_agreed(session, ("balances", customer_id), read)


def entries_of(customer_id: str) -> Select[CreditEntry]:
    """The statement that lists the changes of a customer's balances."""
    return select(CreditEntry).where(CreditEntry.customer_id == customer_id)
