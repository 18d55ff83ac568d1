"""The tables of credit."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, String, func, text
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.limits import MAX_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Money


class CreditKind(StrEnum):
    """Why a balance changed; what a void invoice had granted or applied is undone. An admin gives credit by hand."""

    GRANTED = "granted"
    APPLIED = "applied"
    GRANTED_UNDONE = "granted_undone"
    APPLIED_UNDONE = "applied_undone"
    BY_HAND = "by_hand"


class CreditBalance(Base):
    """A customer's credit in one currency: the sum of its entries. A transaction that changes it locks the row."""

    __tablename__ = "credit_balances"
    __table_args__ = (CheckConstraint("balance >= 0", name="balance"),)

    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    balance: Mapped[Money]


class CreditEntry(Base):
    """One change of a balance: positive when a negative invoice grants credit, negative when one applies it.

    Credit by hand has no invoice but a ``reason``. Its ``key``, if it has one, is there once for a customer.
    """

    __tablename__ = "credit_entries"
    __table_args__ = (
        CheckConstraint("kind IN ('granted', 'applied', 'granted_undone', 'applied_undone', 'by_hand')", name="kind"),
        CheckConstraint("(kind = 'by_hand') = (invoice_id IS NULL)", name="invoice"),
        CheckConstraint(
            "(kind = 'by_hand') = (reason IS NOT NULL) AND (kind = 'by_hand' OR key IS NULL)", name="by_hand"
        ),
        CheckConstraint("kind <> 'by_hand' OR (amount > 0 AND amount <= 1e15)", name="amount"),
        Index("uq_credit_entries_invoice_kind", "invoice_id", "kind", unique=True),
        Index(
            "uq_credit_entries_customer_key",
            "customer_id",
            "key",
            unique=True,
            postgresql_where=text("key IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"), index=True)
    currency: Mapped[str] = mapped_column(String(3))
    invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoices.id"))
    kind: Mapped[str] = mapped_column(String(16))
    amount: Mapped[Money]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    reason: Mapped[str | None] = mapped_column(String(MAX_NAME))
    key: Mapped[Identifier | None]
