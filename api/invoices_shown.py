"""Invoices as answers show them: with as many items as fit into the bytes of a page, and where the others are."""

from typing import Any

from api.fitted import fitted
from usage_billing.reports.invoices import InvoiceView, items_url_of
from usage_billing.wire.invoice import INVOICE_ITEM


def shown(view: InvoiceView, *, after: int = 0) -> dict[str, Any]:
    """The invoice, whose first item is the one at position ``after``; ``next`` is the position that goes on."""
    positions = [(after + count + 1,) for count in range(len(view.items))]
    items, following = fitted(
        INVOICE_ITEM, view.items, positions=positions, last=view.next, currency=view.invoice.currency
    )
    return {
        "invoice": view.invoice,
        "number": view.number,
        "items": items,
        "items_url": view.items_url,
        "next": following,
    }


def shown_with_url(view: InvoiceView) -> dict[str, Any]:
    """A stored invoice; where items are left out, ``itemsUrl`` leads to all of them."""
    found = shown(view)
    return found if found["next"] is None else found | {"items_url": items_url_of(view.invoice)}
