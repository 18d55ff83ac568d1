"""Invoices: what is charged."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_ID, BY_NUMBER, filters_of, listed, read_cursor
from api.schemas.billing import InvoicesQuery
from api.schemas.paging import PageQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.billing import manage_invoices
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.queries import invoices_where
from usage_billing.reports.explain import Explanation, explain
from usage_billing.reports.invoices import InvoiceView, invoice_view, invoice_views
from usage_billing.wire.explanation import EXPLANATION
from usage_billing.wire.invoice import INVOICE
from usage_billing.wire.noun import page_of

Step = Callable[..., Invoice]

blp = Blueprint("invoices", __name__, url_prefix="/api/invoices", description="What is charged.")


@blp.route("", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(InvoicesQuery, location="query")
@blp.response(200, page_of(INVOICE))
def list_invoices(query: dict[str, Any]) -> dict[str, Any]:
    """List invoices, newest first. A user sees its own."""
    if query["customer_id"] is not None and not caller().may_see(query["customer_id"]):
        return {"data": [], "next_cursor": None}
    query["customer_id"] = query["customer_id"] or caller().customer_id
    statement = invoices_where(**filters_of(query))
    with read_only(state().engine) as session:
        page = listed(session, statement, query, by=[Invoice.id], kind=BY_ID, newest_first=True)
        return page | {"data": invoice_views(session, page["data"])}


@blp.route("/<uuid:invoice_id>", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.response(200, INVOICE)
def show_invoice(invoice_id: UUID) -> InvoiceView:
    """Show an invoice with its items."""
    with read_only(state().engine) as session:
        found = invoice_view(session, invoice_id)
    if not caller().may_see(found.invoice.customer_id):
        raise NotFound(f"there is no invoice {invoice_id}")
    return found


@blp.route("/<uuid:invoice_id>/finalize", methods=["POST"])
@requires(ADMIN)
@blp.response(200, INVOICE)
def finalize_invoice(invoice_id: UUID) -> InvoiceView:
    """Make a draft final whose period is over, without waiting for the grace time."""
    adjust_within = state().settings.adjust_within
    return _stepped(partial(manage_invoices.finalize_invoice, adjust_within=adjust_within), invoice_id)


@blp.route("/<uuid:invoice_id>/pay", methods=["POST"])
@requires(ADMIN)
@blp.response(200, INVOICE)
def pay_invoice(invoice_id: UUID) -> InvoiceView:
    """Remember that a final invoice was paid."""
    return _stepped(manage_invoices.pay_invoice, invoice_id)


@blp.route("/<uuid:invoice_id>/void", methods=["POST"])
@requires(ADMIN)
@blp.response(200, INVOICE)
def void_invoice(invoice_id: UUID) -> InvoiceView:
    """Take back a final invoice; the next run charges anew what it charged."""
    return _stepped(manage_invoices.void_invoice, invoice_id)


@blp.route("/<uuid:invoice_id>/uncollectible", methods=["POST"])
@requires(ADMIN)
@blp.response(200, INVOICE)
def give_up_invoice(invoice_id: UUID) -> InvoiceView:
    """Remember that a final invoice will not be paid."""
    return _stepped(manage_invoices.give_up_invoice, invoice_id)


@blp.route("/<uuid:invoice_id>/items/<uuid:item_id>/explain", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(PageQuery, location="query")
@blp.response(200, EXPLANATION)
def explain_item(query: dict[str, Any], invoice_id: UUID, item_id: UUID) -> Explanation:
    """Explain an item: the quota, the arithmetic, and the very recordings behind it, in the order recorded."""
    (after,) = read_cursor(query["cursor"], BY_NUMBER) or (0,)
    with read_only(state().engine) as session:
        found = explain(session, invoice_id, item_id, after=after, limit=query["limit"])
    if not caller().may_see(found.invoice.customer_id):
        raise NotFound(f"there is no invoice {invoice_id}")
    return found


def _stepped(step: Step, invoice_id: UUID) -> InvoiceView:
    with writing() as session:
        step(session, invoice_id, actor=caller().actor, now=state().clock())
        return invoice_view(session, invoice_id)
