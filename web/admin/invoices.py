"""Invoices: their list, one with its items, how an item was reckoned, its files, and the steps of its life."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from api import enqueue
from api.invoice_documents import as_csv, as_page, as_pdf
from api.pagination import BY_ID, BY_NUMBER, BY_PLACE, read_cursor
from api.state import state
from usage_billing.core.cursors import cursor_text
from usage_billing.core.limits import MAX_ITEMS
from usage_billing.db.session import transaction
from usage_billing.drawing.shown import show_what_is_due
from usage_billing.flows.documents.make_again import make_again
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.queries import get_invoice, invoices_where, items_where
from usage_billing.reports.explain import explain
from usage_billing.reports.invoices import invoice_view
from usage_billing.subscriptions.queries import get_subscription
from usage_billing.wire.explanation import EXPLANATION
from usage_billing.wire.invoice import INVOICE, INVOICE_ITEM
from usage_billing.wire.noun import show
from web.admin.blueprint import address, blp
from web.admin.desk import Desk, Operator
from web.admin.frame import framed, query_of
from web.admin.gate import changing, looking
from web.admin.history import last_of
from web.admin.invoice_lists import without_items
from web.admin.lists import ROWS, listed
from web.pages import guard, see_other
from web.shapes import invoice_shape, is_overdue

_SOON = "2"
_WRITERS: dict[str, Callable[[Session, Invoice], Response | None]] = {"pdf": as_pdf, "csv": as_csv, "html": as_page}


@blp.get("/invoices")
@looking
def list_invoices(desk: Desk) -> Response:
    """Invoices, drafts first, then the newest number; ``status``, ``customer`` and ``subscription`` choose."""
    query = query_of("status", "customer", "subscription", "after")
    statement = invoices_where(
        status=query.get("status"), customer_id=query.get("customer"), subscription_id=query.get("subscription")
    )
    found = listed(
        desk,
        statement,
        query,
        noun=INVOICE,
        by=[Invoice.place, Invoice.id],
        kind=BY_PLACE,
        path=["invoices"],
        newest_first=True,
        viewed=partial(without_items, desk.session),
        beside=lambda view: {"overdue": is_overdue(view.invoice, desk.now)},
    )
    statuses = [("", "all"), *((one.value, one.value) for one in InvoiceStatus)]
    return framed(
        desk, "invoices", "invoices", invoices=found.rows, following=found.following, query=query, statuses=statuses
    )


@blp.get("/invoices/<uuid:invoice_id>")
@looking
def show_invoice(desk: Desk, invoice_id: UUID) -> Response:
    """An invoice, a page of its items, and what may be done with it."""
    query = query_of("after")
    shape = invoice_shape(invoice_view(desk.session, invoice_id, items=MAX_ITEMS), desk.now)
    invoice = get_invoice(desk.session, invoice_id)
    found = listed(
        desk,
        items_where(invoice_id),
        query,
        noun=INVOICE_ITEM,
        by=[UsageInvoiceItem.id],
        kind=BY_ID,
        path=["invoices", str(invoice_id)],
        viewed=partial(_taxed, desk.session, invoice),
        currency=invoice.currency,
    )
    return framed(
        _there(desk, invoice),
        "invoices",
        "invoice",
        one=shape,
        items=found.rows,
        following=found.following,
        history=last_of(desk, [f"invoice:{invoice_id}"]),
    )


@blp.get("/invoices/<uuid:invoice_id>/items/<uuid:item_id>")
@looking
def explain_item(desk: Desk, invoice_id: UUID, item_id: UUID) -> Response:
    """How an item was reckoned, down to the recordings."""
    query = query_of("after")
    (after,) = read_cursor(query.get("after"), BY_NUMBER) or (0,)
    invoice = get_invoice(desk.session, invoice_id)
    found = explain(desk.session, invoice_id, item_id, after=after, limit=ROWS)
    cursor = found.events.next_cursor
    following = "" if cursor is None else address("invoices", invoice_id, "items", item_id, after=cursor_text(cursor))
    item = show(EXPLANATION, found)
    return framed(_there(desk, invoice), "invoices", "item", item=item, invoice_id=invoice_id, following=following)


@blp.get("/invoices/<uuid:invoice_id>/<any(pdf,csv,html):kind>")
@looking
def save_document(desk: Desk, invoice_id: UUID, kind: str) -> Response:
    """An invoice as a file; while its PDF is made, a page that asks again by itself."""
    query_of()
    written = _WRITERS[kind](desk.session, get_invoice(desk.session, invoice_id))
    if written is not None:
        return written if kind == "html" else guard(written)
    desk.later.append(partial(enqueue.make_document, invoice_id))
    response = framed(desk, "invoices", "pdf", invoice_id=invoice_id)
    response.headers["Refresh"] = _SOON
    return response


@blp.post("/invoices/<uuid:invoice_id>/document")
@changing
def make_document_again(operator: Operator, invoice_id: UUID) -> Response:
    """Have the PDF made again after a failure; one that is there stays as it is."""
    with transaction(state().engine) as session:
        make_again(session, invoice_id, actor=operator.actor, now=state().clock())
    return see_other(address("invoices", invoice_id, "pdf"))


def _taxed(session: Session, invoice: Invoice, items: Sequence[UsageInvoiceItem]) -> Sequence[UsageInvoiceItem]:
    show_what_is_due(session, [(invoice, items)])
    return items


def _there(desk: Desk, invoice: Invoice) -> Desk:
    """The desk with days as the invoice's subscription has them."""
    if invoice.subscription_id is None:
        return desk
    zone = get_subscription(desk.session, invoice.subscription_id).timezone
    return replace(desk, writer=replace(desk.writer, zone=zone))
