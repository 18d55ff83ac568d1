"""Invoices and their items as they are shown."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.numbering import number_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """One charge; ``unit_price`` is None for a price that has no single one."""

    id: UUID
    usage_type: str | None
    kind: str
    period_start: datetime
    period_end: datetime
    quantity: Decimal
    unit_price: str | None
    amount: Decimal
    currency: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice; ``items`` is empty in lists."""

    id: UUID
    number: str | None
    customer_id: str
    subscription_id: str
    status: str
    currency: str
    period_start: datetime
    period_end: datetime
    total: Decimal
    created_at: datetime
    finalized_at: datetime | None
    items: tuple[ItemView, ...] = ()


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
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise NotFound(f"there is no invoice {invoice_id}")
    items = session.scalars(
        select(UsageInvoiceItem)
        .where(UsageInvoiceItem.invoice_id == invoice_id)
        .order_by(UsageInvoiceItem.period_start, UsageInvoiceItem.usage_type_id, UsageInvoiceItem.id)
    )
    return as_view(invoice, tuple(_item(item, invoice.currency) for item in items))


def as_view(invoice: Invoice, items: tuple[ItemView, ...] = ()) -> InvoiceView:
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
        created_at=invoice.created_at,
        finalized_at=invoice.finalized_at,
        items=items,
    )


def _item(item: UsageInvoiceItem, currency: str) -> ItemView:
    return ItemView(
        id=item.id,
        usage_type=item.usage_type_id,
        kind=item.kind,
        period_start=item.period_start,
        period_end=item.period_end,
        quantity=item.quantity,
        unit_price=(item.price or {}).get("unitPrice"),
        amount=item.amount,
        currency=currency,
        description=item.description,
    )
