"""Invoices and their items as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select, true
from sqlalchemy.orm import Session, aliased

from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import get_invoice
from usage_billing.subscriptions.models import Subscription

MAX_ITEMS = 1000
"""How many items of an invoice a list shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice with its items in the order of their periods; ``items_url`` leads to all where some are left out."""

    invoice: Invoice
    items: Sequence[UsageInvoiceItem]
    items_url: str | None = None

    @property
    def number(self) -> str | None:
        """Its number as it is shown; a draft has none."""
        return number_text(self.invoice.number)


def invoice_view(session: Session, invoice_id: UUID) -> InvoiceView:
    """One invoice with its items in the order of their periods; raises NotFound."""
    return invoice_views(session, [get_invoice(session, invoice_id)])[0]


def invoice_views(session: Session, invoices: Sequence[Invoice], *, items: int | None = None) -> list[InvoiceView]:
    """These invoices with their items, or with up to ``items`` of each, read at once."""
    found: dict[UUID, list[UsageInvoiceItem]] = {}
    for item in session.scalars(_items_of([invoice.id for invoice in invoices], most=items)):
        found.setdefault(item.invoice_id, []).append(item)
    return [_view(invoice, found.get(invoice.id, []), items) for invoice in invoices]


def zone_of(session: Session, invoice: Invoice) -> str:
    """The time zone of an invoice's days: its subscription's, UTC without one."""
    statement = select(Subscription.timezone).where(Subscription.id == invoice.subscription_id)
    return session.scalar(statement) or "UTC"


def _items_of(invoice_ids: Sequence[UUID], *, most: int | None) -> Select[UsageInvoiceItem]:
    """The items of these invoices in their order; of each one more than ``most``, to tell that there are more."""
    order = (UsageInvoiceItem.period_start, UsageInvoiceItem.usage_type_id, UsageInvoiceItem.id)
    if most is None:
        return select(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id.in_(invoice_ids)).order_by(*order)
    first = select(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id == Invoice.id).order_by(*order)
    some = aliased(UsageInvoiceItem, first.limit(most + 1).lateral("some"))
    return (
        select(some)
        .select_from(Invoice)
        .join(some, true())
        .where(Invoice.id.in_(invoice_ids))
        .order_by(some.period_start, some.usage_type_id, some.id)
    )


def _view(invoice: Invoice, items: list[UsageInvoiceItem], most: int | None) -> InvoiceView:
    if most is None or len(items) <= most:
        return InvoiceView(invoice=invoice, items=items)
    return InvoiceView(invoice=invoice, items=items[:most], items_url=f"/api/invoices/{invoice.id}/items")
