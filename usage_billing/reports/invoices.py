"""Invoices and their items as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import get_invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One charge; ``unit_price`` is None for a price that has no single one.

    ``quantity`` is what this item adds to ``billable``, all that lies beyond the segment's ``allowance``.
    """

    id: UUID
    usage_type: str | None
    kind: str
    period_start: datetime
    period_end: datetime
    quantity: Decimal
    billable: Decimal
    allowance: Decimal | None
    unit_price: str | None
    amount: Decimal
    currency: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice with its items; ``amount_due`` is what is left to pay of ``total`` after ``credit_applied``."""

    id: UUID
    number: str | None
    customer_id: str
    subscription_id: str
    status: str
    currency: str
    period_start: datetime
    period_end: datetime
    total: Decimal
    credit_applied: Decimal
    amount_due: Decimal
    due_at: datetime | None
    created_at: datetime
    finalized_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    items: tuple[ItemView, ...]


def invoices_where(
    *, customer_id: str | None = None, subscription_id: str | None = None, status: str | None = None
) -> Select[Invoice]:
    """The statement for a list of invoices."""
    statement = select(Invoice)
    if customer_id is not None:
        statement = statement.where(Invoice.customer_id == customer_id)
    if subscription_id is not None:
        statement = statement.where(Invoice.subscription_id == subscription_id)
    if status is not None:
        statement = statement.where(Invoice.status == status)
    return statement


def invoice_view(session: Session, invoice_id: UUID) -> InvoiceView:
    """One invoice with its items in the order of their periods; raises NotFound."""
    return invoice_views(session, [get_invoice(session, invoice_id)])[0]


def invoice_views(session: Session, invoices: Sequence[Invoice]) -> list[InvoiceView]:
    """These invoices with their items, read at once."""
    items: dict[UUID, list[UsageInvoiceItem]] = {}
    statement = select(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id.in_([invoice.id for invoice in invoices]))
    for item in session.scalars(
        statement.order_by(UsageInvoiceItem.period_start, UsageInvoiceItem.usage_type_id, UsageInvoiceItem.id)
    ):
        items.setdefault(item.invoice_id, []).append(item)
    return [as_view(invoice, items.get(invoice.id, ())) for invoice in invoices]


def as_view(invoice: Invoice, items: Sequence[UsageInvoiceItem]) -> InvoiceView:
    """An invoice as it is shown."""
    return InvoiceView(
        id=invoice.id,
        number=number_text(invoice.number),
        customer_id=invoice.customer_id,
        subscription_id=invoice.subscription_id,
        status=invoice.status,
        currency=invoice.currency,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        total=invoice.total,
        credit_applied=invoice.credit_applied,
        amount_due=invoice.amount_due,
        due_at=invoice.due_at,
        created_at=invoice.created_at,
        finalized_at=invoice.finalized_at,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
        items=tuple(_item(item, invoice.currency) for item in items),
    )


def _item(item: UsageInvoiceItem, currency: str) -> ItemView:
    return ItemView(
        id=item.id,
        usage_type=item.usage_type_id,
        kind=item.kind,
        period_start=item.period_start,
        period_end=item.period_end,
        quantity=item.quantity,
        billable=item.billable,
        allowance=item.allowance,
        unit_price=(item.price or {}).get("unitPrice"),
        amount=item.amount,
        currency=currency,
        description=item.description,
    )
