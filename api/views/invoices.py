"""Invoices: what is charged."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy.orm import Session

from api.arguments import Blueprint
from api.auth import caller, narrowed, requires
from api.invoice_documents import as_csv, as_page, as_pdf, there, to_come
from api.invoices_shown import shown_with_url
from api.pagination import BY_ID, BY_NUMBER, BY_PLACE, filters_of, listed, read_cursor
from api.schemas.billing import DocumentQuery, InvoicesQuery, PaymentSchema
from api.schemas.paging import PageQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ
from usage_billing.core.errors import NotFound
from usage_billing.core.limits import MAX_ITEMS
from usage_billing.db.session import read_only
from usage_billing.drawing.shown import show_what_is_due
from usage_billing.flows.billing import manage_invoices
from usage_billing.flows.billing.manage_invoices import Payment
from usage_billing.flows.documents.make_again import make_again
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.queries import get_invoice, invoices_where, items_where
from usage_billing.reports.explain import Explanation, explain
from usage_billing.reports.invoices import InvoiceView, invoice_view, invoice_views
from usage_billing.wire.explanation import EXPLANATION
from usage_billing.wire.invoice import INVOICE, INVOICE_ITEM, INVOICE_ITEMS, PENDING_DOCUMENT
from usage_billing.wire.noun import page_of

Step = Callable[..., Invoice]

# Invoices whose items are read at once. Ten of a thousand items each are ten times what a page may have.
_AT_A_TIME = 10

_TEXT = {"schema": {"type": "string"}}
_DOCUMENTS = {
    "200": {
        "description": "The document.",
        "content": {
            "text/html": _TEXT,
            "text/csv": _TEXT,
            "application/pdf": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

blp = Blueprint("invoices", __name__, url_prefix="/api/invoices", description="What is charged.")


@blp.route("", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(InvoicesQuery, location="query")
@blp.response(200, page_of(INVOICE))
def list_invoices(query: dict[str, Any]) -> dict[str, Any]:
    """List invoices, drafts first, then the newest number. A user sees its own.

    Each shows up to 1,000 of its items; `itemsUrl` leads to all where there are more.
    """
    if not narrowed(query):
        return {"data": [], "next_cursor": None}
    statement = invoices_where(**filters_of(query))
    with read_only(state().engine) as session:
        return listed(
            session,
            statement,
            query,
            noun=INVOICE,
            by=[Invoice.place, Invoice.id],
            kind=BY_PLACE,
            newest_first=True,
            viewed=partial(_some_at_a_time, session),
        )


@blp.route("/<uuid:invoice_id>", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.response(200, INVOICE)
def show_invoice(invoice_id: UUID) -> dict[str, Any]:
    """Show an invoice with up to 1,000 of its items; `itemsUrl` leads to all where there are more."""
    with read_only(state().engine) as session:
        return shown_with_url(_seen(session, invoice_id, items=MAX_ITEMS))


@blp.route("/<uuid:invoice_id>/items", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(PageQuery, location="query")
@blp.response(200, INVOICE_ITEMS)
def list_items(query: dict[str, Any], invoice_id: UUID) -> dict[str, Any]:
    """List the items of an invoice."""
    with read_only(state().engine) as session:
        invoice = get_invoice(session, invoice_id)
        _check_seen(invoice)
        code = invoice.currency
        page = listed(
            session,
            items_where(invoice_id),
            query,
            noun=INVOICE_ITEM,
            by=[UsageInvoiceItem.id],
            kind=BY_ID,
            currency=code,
            viewed=partial(_taxed, session, invoice),
        )
        return page | {"currency": code}


@blp.route("/<uuid:invoice_id>/document", methods=["GET"])
@requires(BILLING_RUN, USAGE_READ, users=True)
@blp.arguments(DocumentQuery, location="query")
@blp.doc(responses=_DOCUMENTS)
@blp.alt_response(202, noun=PENDING_DOCUMENT, description="It is being made.")
def show_document(query: dict[str, Any], invoice_id: UUID) -> Response:
    """Show an invoice as a document: a plain `html` page, a `pdf`, or its items as `csv`.

    The PDF of a final invoice is made soon after it became final, or at once when it is asked for before, which a 202
    says. It is kept as it is for ever; its ETag is its SHA-256. A draft has none.
    """
    write = {"html": as_page, "pdf": as_pdf, "csv": as_csv}[query["format"]]
    with read_only(state().engine) as session:
        invoice = get_invoice(session, invoice_id)
        _check_seen(invoice)
        written = write(session, invoice)
    return to_come(invoice_id) if written is None else written


@blp.route("/<uuid:invoice_id>/document", methods=["POST"])
@requires(ADMIN)
@blp.response(202, PENDING_DOCUMENT)
@blp.alt_response(200, noun=PENDING_DOCUMENT, description="It is there.")
def make_document(invoice_id: UUID) -> Response:
    """Have the PDF of a final invoice made again after a failure; one that is there stays as it is."""
    with writing() as session:
        asked = make_again(session, invoice_id, actor=caller().actor, now=state().clock())
    if asked:
        return to_come(invoice_id)
    return there(invoice_id)


@blp.route("/<uuid:invoice_id>/finalize", methods=["POST"])
@requires(ADMIN)
@blp.response(200, INVOICE)
def finalize_invoice(invoice_id: UUID) -> dict[str, Any]:
    """Make a draft final whose period is over, without waiting for the grace time."""
    adjust_within = state().settings.adjust_within
    return _stepped(partial(manage_invoices.finalize_invoice, adjust_within=adjust_within), invoice_id)


@blp.route("/<uuid:invoice_id>/pay", methods=["POST"])
@requires(ADMIN)
@blp.arguments(PaymentSchema, required=False)
@blp.response(200, INVOICE)
def pay_invoice(payment: Payment, invoice_id: UUID) -> dict[str, Any]:
    """Remember that a final invoice was paid, whole: an `amount` other than `amountDue` is refused."""
    return _stepped(partial(manage_invoices.pay_invoice, payment=payment), invoice_id)


@blp.route("/<uuid:invoice_id>/void", methods=["POST"])
@requires(ADMIN)
@blp.response(200, INVOICE)
def void_invoice(invoice_id: UUID) -> dict[str, Any]:
    """Take back a final invoice; the next run charges anew what it charged."""
    return _stepped(manage_invoices.void_invoice, invoice_id)


@blp.route("/<uuid:invoice_id>/uncollectible", methods=["POST"])
@requires(ADMIN)
@blp.response(200, INVOICE)
def give_up_invoice(invoice_id: UUID) -> dict[str, Any]:
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
        _check_seen(get_invoice(session, invoice_id))
        return explain(session, invoice_id, item_id, after=after, limit=query["limit"])


def _some_at_a_time(session: Session, invoices: Sequence[Invoice]) -> Iterator[InvoiceView]:
    """What is shown of these in a list. A page that is full reads the items of no further invoices."""
    for start in range(0, len(invoices), _AT_A_TIME):
        yield from invoice_views(session, invoices[start : start + _AT_A_TIME], items=MAX_ITEMS)


def _taxed(session: Session, invoice: Invoice, items: Sequence[UsageInvoiceItem]) -> Sequence[UsageInvoiceItem]:
    show_what_is_due(session, [(invoice, items)])
    return items


def _seen(session: Session, invoice_id: UUID, *, items: int | None = None) -> InvoiceView:
    """The invoice with all or up to ``items`` of its items, if the caller may see it; raises NotFound."""
    _check_seen(get_invoice(session, invoice_id))
    return invoice_view(session, invoice_id, items=items)


def _check_seen(invoice: Invoice) -> None:
    """Raises NotFound as for an invoice that is not there, so that another's cannot be told from none."""
    if not caller().may_see(invoice.customer_id):
        raise NotFound(f"there is no invoice {invoice.id}")


def _stepped(step: Step, invoice_id: UUID) -> dict[str, Any]:
    with writing() as session:
        step(session, invoice_id, actor=caller().actor, now=state().clock())
        return shown_with_url(invoice_view(session, invoice_id, items=MAX_ITEMS))
