"""Invoices: what is charged."""

from typing import Any
from uuid import UUID

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_ID, listed
from api.schemas.billing import InvoiceSchema, InvoicesQuery, InvoiceWithItemsSchema
from api.schemas.paging import page_of
from api.state import state
from usage_billing.access.principal import BILLING_RUN, USAGE_READ
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.invoicing.models import Invoice
from usage_billing.reports.invoices import InvoiceView, as_view, invoice_view, invoices_where

blp = Blueprint("invoices", __name__, url_prefix="/api/invoices", description="What is charged.")


@blp.route("", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(InvoicesQuery, location="query")
@blp.response(200, page_of(InvoiceSchema))
def list_invoices(query: dict[str, Any]) -> dict[str, Any]:
    """List invoices, newest first, without their items. A user sees its own."""
    if query["customer_id"] is not None and not caller().may_see(query["customer_id"]):
        return {"data": [], "next_cursor": None}
    statement = invoices_where(
        customer_id=query["customer_id"] or caller().customer_id,
        subscription_id=query["subscription_id"],
        status=query["status"],
    )
    with read_only(state().engine) as session:
        page = listed(session, statement, query, by=[Invoice.id], kind=BY_ID, newest_first=True)
    return page | {"data": [as_view(invoice) for invoice in page["data"]]}


@blp.route("/<uuid:invoice_id>", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.response(200, InvoiceWithItemsSchema)
def show_invoice(invoice_id: UUID) -> InvoiceView:
    """Show an invoice with its items."""
    with read_only(state().engine) as session:
        found = invoice_view(session, invoice_id)
    if not caller().may_see(found.customer_id):
        raise NotFound(f"there is no invoice {invoice_id}")
    return found
