"""The tables of invoicing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.core.identifiers import new_id
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Money, Total

DRAFT = "draft"
FINALIZED = "finalized"
PAID = "paid"
VOID = "void"


class Invoice(Base):
    """What one subscription owes for one period: draft -> finalized -> paid or void.

    A draft shows today's truth; a finalized one has a number and never changes again (a trigger refuses).
    """

    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'finalized', 'paid', 'void')", name="status"),
        CheckConstraint("(status = 'draft') = (number IS NULL)", name="number_when_finalized"),
        CheckConstraint("(status = 'draft') = (finalized_at IS NULL)", name="finalized_at"),
        CheckConstraint("period_end > period_start", name="period"),
        UniqueConstraint("number"),
        Index(
            "uq_invoices_subscription_period",
            "subscription_id",
            "period_start",
            unique=True,
            postgresql_where=text("status <> 'void'"),
        ),
        Index("ix_invoices_drafts_due", "period_end", postgresql_where=text("status = 'draft'")),
        Index("ix_invoices_customer", "customer_id", "id"),
        Index("ix_invoices_subscription", "subscription_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int | None] = mapped_column(BigInteger)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"))
    subscription_id: Mapped[Identifier] = mapped_column(ForeignKey("subscriptions.id"))
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(16), server_default=DRAFT)
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    total: Mapped[Money]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finalized_at: Mapped[Instant | None]
    paid_at: Mapped[Instant | None]
    voided_at: Mapped[Instant | None]


class UsageInvoiceItem(Base):
    """One charge: a summary's amount for the total so far, minus what earlier invoices charged of it.

    ``quantity`` is what this item charges for, ``billable`` all beyond the limit at that moment, reported in
    ``billable_events`` recordings; ``events`` is the ordinal of the last recording it knows.
    """

    __tablename__ = "usage_invoice_items"
    __table_args__ = (
        UniqueConstraint("summary_id", "invoice_id"),
        CheckConstraint("kind IN ('usage', 'adjustment')", name="kind"),
        Index("ix_usage_invoice_items_invoice", "invoice_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id", ondelete="CASCADE"))
    summary_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("usage_summaries.id"))
    quota_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("usage_quotas.id"))
    usage_type_id: Mapped[Identifier]
    kind: Mapped[str] = mapped_column(String(16))
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    total: Mapped[Total]
    billable: Mapped[Total]
    quantity: Mapped[Total]
    charged_before: Mapped[Money]
    amount: Mapped[Money]
    price: Mapped[dict[str, Any]] = mapped_column(JSONB)
    events: Mapped[int] = mapped_column(BigInteger)
    billable_events: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class InvoiceNumber(Base):
    """The last number given in a series. One row, locked by whoever finalizes: hence no gap and no double."""

    __tablename__ = "invoice_numbers"
    __table_args__ = (CheckConstraint("last >= 0", name="last"),)

    series: Mapped[str] = mapped_column(String(16), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
