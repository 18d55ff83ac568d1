"""The tables of credit."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Money


class CreditKind(StrEnum):
    """Why a balance changed; what a void invoice had granted or applied is undone."""

    GRANTED = "granted"
    APPLIED = "applied"
    GRANTED_UNDONE = "granted_undone"
    APPLIED_UNDONE = "applied_undone"


class CreditBalance(Base):
    """A customer's credit in one currency: the sum of its entries. A transaction that changes it locks the row."""

    __tablename__ = "credit_balances"
    __table_args__ = (CheckConstraint("balance >= 0", name="balance"),)

    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    balance: Mapped[Money]


class CreditEntry(Base):
    """One change of a balance: positive when a negative invoice grants credit, negative when one applies it."""

    __tablename__ = "credit_entries"
    __table_args__ = (
        CheckConstraint("kind IN ('granted', 'applied', 'granted_undone', 'applied_undone')", name="kind"),
        Index("uq_credit_entries_invoice_kind", "invoice_id", "kind", unique=True),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"), index=True)
    currency: Mapped[str] = mapped_column(String(3))
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"))
    kind: Mapped[str] = mapped_column(String(16))
    amount: Mapped[Money]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
