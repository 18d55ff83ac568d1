"""Invoices and their items as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import get_invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice with its items in the order of their periods."""

    invoice: Invoice
    items: Sequence[UsageInvoiceItem]

    @property
    def number(self) -> str | None:
        """Its number as it is shown; a draft has none."""
        return number_text(self.invoice.number)


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
    return [InvoiceView(invoice=invoice, items=items.get(invoice.id, ())) for invoice in invoices]
