"""Granting and applying credit. Whoever changes a balance holds its row, taken in the order of customers."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import Conflict
from usage_billing.credits.models import CreditBalance, CreditEntry

Holder = tuple[str, str]
"""(customer, currency)."""

GRANTED = "granted"
APPLIED = "applied"
_UNDONE = "_undone"


def lock_balances(session: Session, holders: Iterable[Holder]) -> dict[Holder, CreditBalance]:
    """The balances of ``holders``, locked until the transaction ends; missing ones are made, at nothing."""
    found: dict[Holder, CreditBalance] = {}
    for customer_id, currency in sorted(set(holders)):
        session.execute(
            insert(CreditBalance).values(customer_id=customer_id, currency=currency, balance=0).on_conflict_do_nothing()
        )
        found[customer_id, currency] = session.scalars(
            select(CreditBalance)
            .where(CreditBalance.customer_id == customer_id, CreditBalance.currency == currency)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one()
    return found


def grant(session: Session, balance: CreditBalance, amount: Decimal, *, invoice_id: UUID) -> None:
    """Add what a negative invoice gives back."""
    _enter(session, balance, EXACT.abs(amount), invoice_id=invoice_id, kind=GRANTED)


def apply(session: Session, balance: CreditBalance, total: Decimal, *, invoice_id: UUID) -> Decimal:
    """Take as much as there is, up to ``total``; returns what was taken."""
    taken = min(balance.balance, total)
    if taken > 0:
        _enter(session, balance, -taken, invoice_id=invoice_id, kind=APPLIED)
        return taken
    return Decimal(0)


def undo(session: Session, balance: CreditBalance, *, invoice_id: UUID) -> None:
    """Take back what an invoice that becomes void granted or applied; raises Conflict when that is spent."""
    for entry in session.scalars(
        select(CreditEntry).where(CreditEntry.invoice_id == invoice_id, CreditEntry.kind.in_((GRANTED, APPLIED)))
    ).all():
        if EXACT.subtract(balance.balance, entry.amount) < 0:
            raise Conflict("the credit that this invoice granted has been used", code="credit_spent")
        _enter(session, balance, -entry.amount, invoice_id=invoice_id, kind=entry.kind + _UNDONE)


def _enter(session: Session, balance: CreditBalance, amount: Decimal, *, invoice_id: UUID, kind: str) -> None:
    balance.balance = EXACT.add(balance.balance, amount)
    session.add(
        CreditEntry(
            customer_id=balance.customer_id,
            currency=balance.currency,
            invoice_id=invoice_id,
            kind=kind,
            amount=amount,
        )
    )
    session.flush()
