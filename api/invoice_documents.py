"""The documents of an invoice as answers."""

from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from api import enqueue
from api.json_provider import json_text
from api.state import state, this_request
from usage_billing.core.errors import Conflict
from usage_billing.documents.items_csv import items_csv
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.page import POLICY, page_of_invoice
from usage_billing.documents.queries import find_document, read_source
from usage_billing.documents.requests import find_failed
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import number_text
from usage_billing.wire.invoice import PENDING_DOCUMENT
from usage_billing.wire.noun import show


def as_page(session: Session, invoice: Invoice) -> Response:
    """The page of an invoice."""
    source = read_source(session, invoice.id)
    response = Response(page_of_invoice(source.invoice, zone=source.zone, brand=state().brand), mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


def as_csv(session: Session, invoice: Invoice) -> Response:
    """The items of an invoice."""
    response = Response(items_csv(read_source(session, invoice.id).invoice), mimetype="text/csv")
    return _to_be_saved(response, invoice, "csv")


def as_pdf(session: Session, invoice: Invoice) -> Response | None:
    """The PDF that is kept; None where it is still to be made."""
    if invoice.status == InvoiceStatus.DRAFT:
        raise Conflict("a draft can still change, and has no PDF; as html it can be looked at", code="invoice_status")
    kept = find_document(session, invoice.id, DocumentKind.PDF)
    if kept is None:
        failed = find_failed(session, invoice.id)
        if failed is not None:
            message = f"it could not be made: {failed.error}; POST to the same address has it tried again"
            raise Conflict(message, code="document_failed")
        return None
    response = _to_be_saved(Response(kept.content, mimetype="application/pdf"), invoice, "pdf")
    response.set_etag(kept.sha256.hex())
    response.make_conditional(this_request())
    return response


def to_come(invoice_id: UUID) -> Response:
    """Have a worker make the PDF; no transaction is open while the broker is asked."""
    enqueue.make_document(invoice_id)
    body = json_text(show(PENDING_DOCUMENT, {"invoice_id": invoice_id, "status": "pending"}))
    return Response(body, status=202, mimetype="application/json", headers={"Retry-After": "1"})


def _to_be_saved(response: Response, invoice: Invoice, ending: str) -> Response:
    """The answer as a file, named by its invoice."""
    name = number_text(invoice.number) or f"draft-{invoice.id}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    return response


def there(invoice_id: UUID) -> Response:
    """That the PDF is kept."""
    body = json_text(show(PENDING_DOCUMENT, {"invoice_id": invoice_id, "status": "made"}))
    return Response(body, status=200, mimetype="application/json")
