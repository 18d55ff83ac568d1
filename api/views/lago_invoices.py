"""Invoices as Lago's clients read them back."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Blueprint, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import enqueue
from api.auth import requires
from api.foreign_errors import lago_form, speak
from api.foreign_pages import page_asked, paged
from api.honoured import reads
from api.json_provider import json_response
from api.lago_pages import PAGE, choice, listed, named
from api.lago_shown import invoice_shown
from api.state import state, this_request
from usage_billing.access.principal import BILLING_RUN, USAGE_READ
from usage_billing.core.errors import Conflict
from usage_billing.core.limits import MAX_ITEMS
from usage_billing.customers.models import Customer
from usage_billing.db.session import read_only
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.queries import find_document
from usage_billing.documents.requests import find_failed
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.queries import get_invoice, invoices_where
from usage_billing.reports.invoices import invoice_views

blp = Blueprint("lago_invoices", __name__, url_prefix="/lago/api/v1")

_INVOICES = {
    "draft": (InvoiceStatus.DRAFT,),
    "finalized": (InvoiceStatus.FINALIZED, InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE),
    "voided": (InvoiceStatus.VOID,),
}


@blp.get("/invoices")
@requires(BILLING_RUN, USAGE_READ)
@reads("query")
def list_invoices() -> Response:
    """List invoices, drafts first, then the newest number."""
    asked = page_asked(this_request().args, PAGE, also=("external_customer_id", "status"))
    statement = invoices_where(customer_id=asked.more.get("external_customer_id"))
    if "status" in asked.more:
        statement = statement.where(Invoice.status.in_(choice(asked.more["status"], _INVOICES, "status")))
    with read_only(state().engine) as session:
        found = paged(session, statement, by=[Invoice.place.desc(), Invoice.id.desc()], asked=asked, counted=True)
        return listed("invoices", _invoices(session, found.rows), found, asked)


@blp.get("/invoices/<uuid:lago_id>")
@requires(BILLING_RUN, USAGE_READ)
def show_invoice(lago_id: UUID) -> Response:
    """Show an invoice, without its items."""
    with read_only(state().engine) as session, named("invoice_not_found"):
        (shown,) = _invoices(session, [get_invoice(session, lago_id)])
    return json_response({"invoice": shown})


@blp.post("/invoices/<uuid:lago_id>/download")
@requires(BILLING_RUN, USAGE_READ)
def download_invoice(lago_id: UUID) -> Response:
    """Say where the PDF of an invoice is; an empty object while it is being made."""
    with read_only(state().engine) as session, named("invoice_not_found"):
        invoice = get_invoice(session, lago_id)
        if invoice.status == InvoiceStatus.DRAFT:
            raise Conflict("a draft can still change, and has no PDF", code="invoice_status")
        is_made = find_document(session, lago_id, DocumentKind.PDF) is not None
        failed = None if is_made else find_failed(session, lago_id)
        (shown,) = _invoices(session, [invoice])
    if failed is not None:
        raise Conflict(f"it could not be made: {failed.error}", code="document_failed")
    if not is_made:
        enqueue.make_document(lago_id)
        return json_response({})
    address = f"{state().public_address or this_request().host_url.rstrip('/')}/api/invoices/{lago_id}/document"
    return json_response({"invoice": shown | {"file_url": f"{address}?format=pdf"}})


def _invoices(session: Session, invoices: Sequence[Invoice]) -> list[dict[str, Any]]:
    ids = {one.customer_id for one in invoices}
    customers = {one.id: one for one in session.scalars(select(Customer).where(Customer.id.in_(ids)))}
    now = state().clock()
    shown = []
    for one in invoices:
        (view,) = invoice_views(session, [one], items=MAX_ITEMS)
        shown.append(invoice_shown(view.invoice, customers, now=now))
    return shown


speak(blp, lago_form, below=())
