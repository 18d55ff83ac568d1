"""Invoices: their list, one with its items, how an item was reckoned, and its files."""

from typing import Any
from uuid import UUID

from flask import Response

from api import enqueue
from usage_billing.core.errors import InvalidInput, NotFound
from usage_billing.core.limits import MAX_ITEMS
from usage_billing.db.keyset import page_of
from usage_billing.documents.items_csv import items_csv
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.queries import find_document, read_source
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import get_invoice, invoices_where
from usage_billing.reports.explain import explain
from usage_billing.reports.invoices import InvoiceView, invoice_view
from usage_billing.wire.explanation import EXPLANATION
from usage_billing.wire.noun import Shape, show
from web.portal.visit import Visit
from web.shapes import invoice_shape
from web.wording import item_text, steps, with_texts

PAGE = 50
_SOON = "2"
_MOST_DIGITS = 18


def invoices(visit: Visit, before: int | None) -> dict[str, Any]:
    """A page of the invoices that are final, newest first; ``before`` is the number after which it begins."""
    statement = invoices_where(customer_id=visit.customer_id).where(Invoice.number.is_not(None))
    if before is not None:
        statement = statement.where(Invoice.number < before)
    page = page_of(visit.session, statement, by=[Invoice.place, Invoice.id], after=None, limit=PAGE, newest_first=True)
    rows = [invoice_shape(InvoiceView(invoice=one, items=()), visit.now) for one in page.rows]
    return {"invoices": rows, "before": page.rows[-1].number if page.last else None}


def own(visit: Visit, invoice_id: UUID) -> Invoice:
    """An invoice of the customer that is final; raises NotFound, as for one that is not there."""
    found = get_invoice(visit.session, invoice_id)
    if found.customer_id != visit.customer_id or found.status == InvoiceStatus.DRAFT:
        raise NotFound(f"there is no invoice {invoice_id}")
    return found


def invoice(visit: Visit, invoice_id: UUID) -> Shape:
    """One with up to 1,000 of its items, as the API shows it."""
    own(visit, invoice_id)
    shape = invoice_shape(invoice_view(visit.session, invoice_id, items=MAX_ITEMS), visit.now)
    return with_texts(shape, visit.writer)


def explanation(visit: Visit, invoice_id: UUID, item_id: UUID, after: int) -> Shape:
    """How an item came to its amount, with a page of the recordings behind it; ``next`` is where the next begins."""
    own(visit, invoice_id)
    found = explain(visit.session, invoice_id, item_id, after=after, limit=PAGE)
    item = found.item
    parts = {"description": item.description, "textKey": item.text_key, "textArgs": item.text_args}
    text = item_text(parts, visit.writer)
    told = steps(found.breakdown, visit.writer)
    if found.rated is None:  # of a fee the only step is what it is
        told = [told[0] | {"text": text}]
    return show(EXPLANATION, found) | {"next": found.events.next, "text": text, "steps": told}


def as_csv(visit: Visit, invoice_id: UUID) -> Response:
    """Its items as CSV, the API's own file."""
    found = own(visit, invoice_id)
    text = items_csv(read_source(visit.session, invoice_id).invoice)
    return _saved(Response(text, mimetype="text/csv"), found, "csv")


def as_pdf(visit: Visit, invoice_id: UUID) -> Response | None:
    """Its PDF, which is kept for ever; None while a worker makes it, which this asks for."""
    found = own(visit, invoice_id)
    kept = find_document(visit.session, invoice_id, DocumentKind.PDF)
    if kept is None:
        visit.later.append(lambda: enqueue.make_document(invoice_id))
        return None
    return _saved(Response(kept.content, mimetype="application/pdf"), found, "pdf")


def refreshed(response: Response) -> Response:
    """A page that is asked for again by itself, with or without script."""
    response.headers["Refresh"] = _SOON
    return response


def number_from(text: str | None) -> int | None:
    """A number of the address, not negative; raises InvalidInput for none."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise InvalidInput("the address has no number where one stands", code="bad_cursor")
    return int(text)


def _saved(response: Response, invoice: Invoice, ending: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{number_text(invoice.number)}.{ending}"'
    return response
