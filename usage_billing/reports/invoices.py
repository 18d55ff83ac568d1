"""Invoices and their items as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select, true
from sqlalchemy.orm import Session, aliased

from usage_billing.db.rows import things_of
from usage_billing.drawing.shown import show_what_is_due
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import AS_SHOWN, get_invoice


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceView:
    """An invoice with its items in the order of their periods; ``items_url`` leads to all where some are left out.

    Of an invoice that is not stored, ``next`` is the position after these items; None when no more follow.
    """

    invoice: Invoice
    items: Sequence[UsageInvoiceItem]
    items_url: str | None = None
    next: tuple[int] | None = None

    @property
    def number(self) -> str | None:
        """Its number as it is shown; a draft has none."""
        return number_text(self.invoice.number)


def invoice_view(session: Session, invoice_id: UUID, *, items: int | None = None) -> InvoiceView:
    """One invoice with its items in the order of their periods, or with up to ``items`` of them; raises NotFound."""
    return invoice_views(session, [get_invoice(session, invoice_id)], items=items)[0]


def upcoming_page(found: tuple[Invoice, Sequence[UsageInvoiceItem]], *, most: int, after: int = 0) -> InvoiceView:
    """The upcoming invoice ``found`` with up to ``most`` of its items from position ``after`` on.

    Its amounts are those of all its items.
    """
    invoice, items = found
    end = after + most
    return InvoiceView(invoice=invoice, items=items[after:end], next=(end,) if end < len(items) else None)


def invoice_views(session: Session, invoices: Sequence[Invoice], *, items: int | None = None) -> list[InvoiceView]:
    """These invoices with their items, or with up to ``items`` of each, read at once."""
    found: dict[UUID, list[UsageInvoiceItem]] = {}
    for item in things_of(session, _items_of([invoice.id for invoice in invoices], most=items)):
        found.setdefault(item.invoice_id, []).append(item)
    show_what_is_due(session, [(invoice, found.get(invoice.id, [])) for invoice in invoices])
    return [_view(invoice, found.get(invoice.id, []), items) for invoice in invoices]


def items_url_of(invoice: Invoice) -> str:
    """Where all items of a stored invoice are."""
    return f"/api/invoices/{invoice.id}/items"


def _items_of(invoice_ids: Sequence[UUID], *, most: int | None) -> Select[UsageInvoiceItem]:
    """The items of these invoices in their order; of each one more than ``most``, to tell that there are more."""
    if most is None:
        return select(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id.in_(invoice_ids)).order_by(*AS_SHOWN)
    first = select(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id == Invoice.id).order_by(*AS_SHOWN)
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
    return InvoiceView(invoice=invoice, items=items[:most], items_url=items_url_of(invoice))
