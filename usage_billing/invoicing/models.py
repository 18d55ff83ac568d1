"""The tables of invoicing."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, column_property, mapped_column

from usage_billing.core.decimals import EXACT
from usage_billing.core.identifiers import new_id
from usage_billing.core.limits import MAX_BIGINT, MAX_METHOD, MAX_NAME
from usage_billing.db.base import Base
from usage_billing.db.columns import Identifier, Instant, Money, Quantity, Rate, Total
from usage_billing.invoicing.lifecycle import InvoiceKind, InvoiceStatus
from usage_billing.rating.tax.sums import TaxLine

PLACE = f"coalesce(number, {MAX_BIGINT})"
"""Where an invoice stands in a list: at its number, a draft after all of them."""
_OPEN_CORRECTION = text("kind = 'correction' AND status = 'draft'")
_BOUGHT = text("purchase_id IS NOT NULL")


class Invoice(Base):
    """What one subscription owes when a period ends: draft -> finalized -> paid, void or uncollectible.

    A draft changes until it is finalized. A finalized invoice has a number and never changes again (a trigger refuses).
    ``closes_at`` is when it is due to be finalized; with subscription and kind it is the invoice's key. The invoice
    shows ``period_start`` to ``period_end``. One of the kind ``purchase`` may have no subscription. ``total`` is the
    sum of its items, in units of the currency, and ``tax`` what comes on top when it becomes final: that of ``taxes``,
    which is null where no tax was reckoned. ``prepaid_applied`` is what grants of wallets in money paid of it, below 0
    where more went back to them. What is below 0 after that becomes credit. ``credit_applied`` is the credit that
    this invoice uses, and ``amount_due`` is what is left to pay. ``seller`` and ``buyer`` are who billed whom when it
    became final, as the customers' room keeps them. Not stored here: ``tax_pending``, why the tax of a draft is not
    known, and ``prepaid``, which grants paid what.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'finalized', 'paid', 'void', 'uncollectible')", name="status"),
        CheckConstraint("(status = 'draft') = (number IS NULL)", name="number_when_finalized"),
        CheckConstraint("(status = 'draft') = (finalized_at IS NULL)", name="finalized_at"),
        CheckConstraint("period_end > period_start", name="period"),
        CheckConstraint(
            "credit_applied >= 0 AND credit_applied <= greatest(total + tax - prepaid_applied, 0)",
            name="credit_applied",
        ),
        UniqueConstraint("number"),
        CheckConstraint("kind IN ('period', 'change', 'correction', 'purchase')", name="kind"),
        CheckConstraint("subscription_id IS NOT NULL OR kind = 'purchase'", name="subscription"),
        Index(
            "uq_invoices_subscription_kind_closing",
            "subscription_id",
            "kind",
            "closes_at",
            unique=True,
            postgresql_where=text("status <> 'void'"),
        ),
        Index("uq_invoices_open_correction", "subscription_id", unique=True, postgresql_where=_OPEN_CORRECTION),
        Index("ix_invoices_drafts_closing", "subscription_id", "closes_at", postgresql_where=text("status = 'draft'")),
        Index("ix_invoices_drafts_customer", "customer_id", "closes_at", postgresql_where=text("status = 'draft'")),
        Index("ix_invoices_place", text(PLACE), "id"),
        Index("ix_invoices_customer_place", "customer_id", text(PLACE), "id"),
        Index("ix_invoices_subscription_place", "subscription_id", text(PLACE), "id"),
        Index("ix_invoices_customer", "customer_id", "id"),
        Index("ix_invoices_subscription", "subscription_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int | None] = mapped_column(BigInteger)
    customer_id: Mapped[Identifier] = mapped_column(ForeignKey("customers.id"))
    subscription_id: Mapped[Identifier | None] = mapped_column(ForeignKey("subscriptions.id"))
    kind: Mapped[str] = mapped_column(String(16), server_default=InvoiceKind.PERIOD)
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(16), server_default=InvoiceStatus.DRAFT)
    closes_at: Mapped[Instant]
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    total: Mapped[Money]
    credit_applied: Mapped[Money] = mapped_column(server_default="0")
    due_at: Mapped[Instant | None]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    finalized_at: Mapped[Instant | None]
    paid_at: Mapped[Instant | None]
    payment_reference: Mapped[str | None] = mapped_column(String(MAX_NAME))
    payment_method: Mapped[str | None] = mapped_column(String(MAX_METHOD))
    voided_at: Mapped[Instant | None]
    seller: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    buyer: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    tax: Mapped[Money] = mapped_column(server_default="0")
    taxes: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    prepaid_applied: Mapped[Money] = mapped_column(server_default="0")
    place: Mapped[int] = column_property(func.coalesce(number, literal_column(str(MAX_BIGINT))))

    tax_pending = cast("str | None", None)
    prepaid = cast("Sequence[PrepaidPart]", ())

    @property
    def tax_lines(self) -> list[TaxLine] | None:
        """Its tax by category, country and rate; None where no tax was reckoned."""
        return None if self.taxes is None else [TaxLine.of(kept) for kept in self.taxes]

    @property
    def total_with_tax(self) -> Decimal:
        """What it comes to."""
        return EXACT.add(self.total, self.tax)

    @property
    def shown_total_with_tax(self) -> Decimal | None:
        """What it comes to with tax; None where no tax was reckoned."""
        return None if self.taxes is None else self.total_with_tax

    @property
    def payable(self) -> Decimal:
        """What it comes to after what grants of wallets paid; what is below 0 is credit."""
        return EXACT.subtract(self.total_with_tax, self.prepaid_applied)

    @property
    def amount_due(self) -> Decimal:
        """What the customer has left to pay: 0 of a paid or void invoice, and where it comes to credit."""
        if self.status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
            return Decimal(0)
        return EXACT.subtract(max(self.payable, Decimal(0)), self.credit_applied)


class FeeCharge(Base):
    """The base fee of one segment of a subscription: ``amount`` is due, no matter when it is charged.

    ``frozen``: it was invoiced under earlier rules, and stays as it is while its segment does.
    """

    __tablename__ = "fee_charges"
    __table_args__ = (
        UniqueConstraint("subscription_id", "period_start"),
        CheckConstraint("period_end > period_start", name="period"),
        CheckConstraint("amount >= 0", name="amount"),
        Index("ix_fee_charges_to_charge", "subscription_id", postgresql_where=text("to_charge")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subscription_id: Mapped[Identifier] = mapped_column(ForeignKey("subscriptions.id"))
    plan_id: Mapped[Identifier] = mapped_column(ForeignKey("plans.id"))
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    bills_at: Mapped[Instant]
    amount: Mapped[Money]
    description: Mapped[str] = mapped_column(Text)
    to_charge: Mapped[bool] = mapped_column(Boolean)
    frozen: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))


class UsageInvoiceItem(Base):
    """One charge: what is due of a summary or a base fee so far, minus what earlier invoices charged of it.

    ``quantity`` is what this item charges for. ``billable`` is all that lay beyond the limit when the item was written,
    in ``billable_events`` recordings, but for the ``covered`` units that were paid for beforehand. ``events`` is the
    ordinal of the last recording that the item takes into account. In a period that is cut, segments of one price are
    charged as one quantity: ``before_quantity``, ``before_recordings`` and ``before_amount`` are those of the earlier
    ones, and ``rated_price`` is the price with the period's parts of minimum, flat amounts and maximum in their places
    (null: the price as it is). A meter's item has ``sources``: the summaries whose recordings it counts, ``{"summary",
    "events", "voids"}``, of a level also ``"until"``, as of when it is reckoned, in microseconds since the epoch; the
    first of them has ``"segments"``, how the billing period was divided when the item was written, ``[[start, end]]``
    in the same unit. It has no hash of its own. How it is taxed (``rating.tax``) is kept when its invoice becomes
    final; null where no tax was reckoned.
    """

    __tablename__ = "usage_invoice_items"
    __table_args__ = (
        UniqueConstraint("summary_id", "cell", "invoice_id"),
        UniqueConstraint("fee_id", "invoice_id"),
        Index("uq_usage_invoice_items_purchase", "purchase_id", "invoice_id", unique=True, postgresql_where=_BOUGHT),
        CheckConstraint("kind IN ('usage', 'adjustment', 'fee', 'purchase')", name="kind"),
        CheckConstraint("num_nonnulls(summary_id, fee_id, purchase_id) = 1", name="one_cause"),
        CheckConstraint("(summary_id IS NOT NULL) = (quota_id IS NOT NULL)", name="quota"),
        Index("ix_usage_invoice_items_invoice", "invoice_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id", ondelete="CASCADE"))
    summary_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("usage_summaries.id"))
    cell: Mapped[Identifier] = mapped_column(server_default="")
    fee_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("fee_charges.id"))
    purchase_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("purchase_charges.id"))
    quota_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("usage_quotas.id"))
    usage_type_id: Mapped[Identifier | None]
    kind: Mapped[str] = mapped_column(String(16))
    period_start: Mapped[Instant]
    period_end: Mapped[Instant]
    total: Mapped[Total]
    billable: Mapped[Total]
    quantity: Mapped[Total]
    charged_before: Mapped[Money]
    amount: Mapped[Money]
    allowance: Mapped[Quantity | None]
    covered: Mapped[Total] = mapped_column(server_default="0")
    price: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    events: Mapped[int] = mapped_column(BigInteger)
    billable_events: Mapped[int] = mapped_column(BigInteger)
    voids: Mapped[int] = mapped_column(BigInteger, server_default="0")
    events_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    description: Mapped[str] = mapped_column(Text)
    text_key: Mapped[str | None] = mapped_column(String(64))
    text_args: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    rated_price: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    before_quantity: Mapped[Total] = mapped_column(server_default="0")
    before_recordings: Mapped[int] = mapped_column(BigInteger, server_default="0")
    before_amount: Mapped[Money] = mapped_column(server_default="0")
    sources: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB)
    tax_category: Mapped[str | None] = mapped_column(String(2))
    tax_country: Mapped[str | None] = mapped_column(String(2))
    tax_rate: Mapped[Rate | None]


class PrepaidPart(NamedTuple):
    """What one grant of a wallet paid of an invoice, below 0 where more went back to it."""

    wallet_id: str
    grant_id: UUID
    amount: Decimal


class InvoiceNumber(Base):
    """The last number given in a series. A transaction that finalizes locks this row: hence no gap and no double."""

    __tablename__ = "invoice_numbers"
    __table_args__ = (CheckConstraint("last >= 0", name="last"),)

    series: Mapped[str] = mapped_column(String(16), primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)
