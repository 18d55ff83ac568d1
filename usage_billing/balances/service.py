"""Grants and applies credit. A transaction that changes balances locks their rows first, in the order of customers."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.balances.models import CreditBalance, CreditEntry, CreditKind
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import Conflict

Holder = tuple[str, str]
"""(customer id, currency)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredit:
    """Credit to be given by hand: ``amount`` in units of ``currency``, and why.

    The same ``idempotency_key`` of one customer gives it once, for ever.
    """

    amount: Decimal
    currency: str
    reason: str
    idempotency_key: str | None = None


_UNDONE = {CreditKind.GRANTED: CreditKind.GRANTED_UNDONE, CreditKind.APPLIED: CreditKind.APPLIED_UNDONE}
# PostgreSQL goes through the rows in the order of the sort: it inserts a row that is missing, and locks one that is
# there.
_LOCK = text("""
    INSERT INTO credit_balances AS b (customer_id, currency, balance)
    SELECT customer, currency, 0
    FROM unnest(CAST(:customers AS text[]), CAST(:currencies AS text[])) AS v (customer, currency)
    ORDER BY customer COLLATE "C", currency COLLATE "C"
    ON CONFLICT (customer_id, currency) DO UPDATE SET balance = b.balance
    RETURNING b.customer_id, b.currency, b.balance
""")
_IN_CREDIT = text("""
    SELECT customer_id, currency
    FROM credit_balances
    WHERE customer_id = ANY(CAST(:customers AS text[])) AND balance > 0
""")


def lock_balances(session: Session, holders: Iterable[Holder]) -> dict[Holder, CreditBalance]:
    """The balances of ``holders``, locked until the transaction ends; a missing balance is inserted with 0."""
    wanted = sorted(set(holders))
    if not wanted:
        return {}
    session.flush()
    found = session.scalars(
        select(CreditBalance).from_statement(_LOCK),
        {"customers": [holder[0] for holder in wanted], "currencies": [holder[1] for holder in wanted]},
        execution_options={"populate_existing": True},
    )
    return {(balance.customer_id, balance.currency): balance for balance in found}


def holders_of_credit(session: Session, customer_ids: Iterable[str]) -> set[Holder]:
    """Those of these customers that have credit, each with the currency of the credit."""
    rows = session.execute(_IN_CREDIT, {"customers": list(set(customer_ids))})
    return {(row.customer_id, row.currency) for row in rows}


def grant(session: Session, balance: CreditBalance, amount: Decimal, *, invoice_id: UUID) -> None:
    """Add to a locked balance what a negative invoice gives back; ``amount`` is the invoice's total."""
    _enter(session, balance, EXACT.abs(amount), invoice_id=invoice_id, kind=CreditKind.GRANTED)


def apply(session: Session, balance: CreditBalance, total: Decimal, *, invoice_id: UUID) -> Decimal:
    """Take credit from a locked balance, as much as it has, up to ``total``; returns what was taken."""
    taken = min(balance.balance, total)
    if taken > 0:
        _enter(session, balance, -taken, invoice_id=invoice_id, kind=CreditKind.APPLIED)
        return taken
    return Decimal(0)


def give(session: Session, balance: CreditBalance, new: NewCredit) -> tuple[CreditEntry, bool]:
    """Add ``new`` to a locked balance; returns its entry, and False when its key has given it before.

    Raises Conflict with the code ``conflicting_credit`` when the key has given something else.
    """
    statement = insert(CreditEntry).values(
        customer_id=balance.customer_id,
        currency=new.currency,
        kind=CreditKind.BY_HAND,
        amount=new.amount,
        reason=new.reason,
        key=new.idempotency_key,
    )
    # With an arbiter a second one waits for the first, and then finds it.
    added = session.scalars(
        statement.on_conflict_do_nothing(
            index_elements=["customer_id", "key"], index_where=text("key IS NOT NULL")
        ).returning(CreditEntry)
    ).first()
    if added is not None:
        balance.balance = EXACT.add(balance.balance, new.amount)
        session.flush()
        return added, True
    there = session.scalars(
        select(CreditEntry).where(
            CreditEntry.customer_id == balance.customer_id, CreditEntry.key == new.idempotency_key
        )
    ).one()
    if (there.amount, there.currency, there.reason) != (new.amount, new.currency, new.reason):
        raise Conflict("the key has given other credit to this customer", code="conflicting_credit")
    return there, False


def undo(session: Session, balance: CreditBalance, *, invoice_id: UUID) -> None:
    """Undo what an invoice that becomes void granted or applied.

    Raises Conflict with the code ``credit_spent`` when the credit that it granted has been used.
    """
    for entry in session.scalars(
        select(CreditEntry).where(CreditEntry.invoice_id == invoice_id, CreditEntry.kind.in_(_UNDONE))
    ).all():
        if EXACT.subtract(balance.balance, entry.amount) < 0:
            raise Conflict("the credit that this invoice granted has been used", code="credit_spent")
        _enter(session, balance, -entry.amount, invoice_id=invoice_id, kind=_UNDONE[CreditKind(entry.kind)])


def _enter(session: Session, balance: CreditBalance, amount: Decimal, *, invoice_id: UUID, kind: CreditKind) -> None:
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
