"""``usage-billing invoices``: what was charged, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected, load_settings, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_of, limit_option, none_of, span_options
from usage_billing.cli.frame.output import json_option, pick, print_json, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import AMOUNT, IDENTIFIER, METHOD, NAME
from usage_billing.cli.nouns.invoice_documents import document, documents, find_invoice
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import NotFound
from usage_billing.core.limits import MAX_ITEMS
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.wire import noun as wire
from usage_billing.wire.explanation import EXPLANATION
from usage_billing.wire.invoice import INVOICE

if TYPE_CHECKING:
    from usage_billing.invoicing.models import Invoice
    from usage_billing.reports.explain import Explanation

_COLUMNS = ("id", "number", "userId", "subscriptionId", "kind", "status", "closesAt", "currency", "total")
_WIDE_ONLY = {"subscriptionId", "kind", "closesAt"}
_ITEM_COLUMNS = ("usageType", "kind", "quantity", "unitPrice", "amount", "description")
_STATUSES = [*map(str, InvoiceStatus)]
_limit_option = limit_of("many items", usual=MAX_ITEMS)


@click.group(epilog=example("invoices list --subscription sub456"))
def command() -> None:
    """List, show and explain invoices, and say what became of them."""


@command.command(name="list", epilog=example("invoices list --subscription sub456 --status draft"))
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only of this customer.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only of this subscription.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only in this state.")
@span_options("those whose period starts")
@limit_option
@wide_option
@json_option
def list_invoices(*, limit: int, as_json: bool, **asked: Any) -> None:
    """List invoices, drafts first, then the newest number."""
    from usage_billing.invoicing.models import Invoice
    from usage_billing.invoicing.queries import invoices_where
    from usage_billing.reports.invoices import invoice_views

    statement = invoices_where(**asked).order_by(Invoice.place.desc(), Invoice.id.desc())
    with reading() as session:
        found = first_rows(session, statement, limit=limit)
        views = invoice_views(session, found, items=MAX_ITEMS if as_json else 0)
        rows = [wire.show(INVOICE, view) for view in views]
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    empty = none_of("invoices", hint="usage-billing bill makes them from usage.", **asked)
    print_rows(shown, as_json=as_json, empty=empty, wide_only=_WIDE_ONLY)


@command.command(epilog=example("invoices show INV-00000001", "invoices show 01890a5d-ac96-774b-bcce-b302099a8057"))
@click.argument("invoice")
@_limit_option
@wide_option
@json_option
def show(*, invoice: str, limit: int, as_json: bool) -> None:
    """Show INVOICE, by its number or id, with its items."""
    from usage_billing.reports.invoices import invoice_view

    with reading() as session:
        shape = wire.show(INVOICE, invoice_view(session, find_invoice(session, invoice).id, items=limit))
    print_invoice(shape, as_json=as_json)


@command.command(epilog=example("invoices upcoming sub456"))
@click.argument("subscription", type=IDENTIFIER)
@_limit_option
@wide_option
@json_option
def upcoming(*, subscription: str, limit: int, as_json: bool) -> None:
    """Show the next invoice of SUBSCRIPTION as billing would make it by what is known now; nothing is stored.

    The next fee in advance is on it, and credit in hand is applied. Usage of an earlier period that has no invoice yet
    is not on it: it gets one of its own.
    """
    from usage_billing.db.session import read_only
    from usage_billing.flows.billing.upcoming_invoice import upcoming as upcoming_invoice
    from usage_billing.reports.invoices import upcoming_page
    from usage_billing.subscriptions.queries import get_subscription

    with connected() as (settings, engine), read_only(engine) as session:
        get_subscription(session, subscription)
        found = upcoming_invoice(session, subscription, now=utc_now(), adjust_within=settings.adjust_within)
        if found is None:
            raise NotFound("nothing of the period that runs is to be invoiced", code="nothing_upcoming")
        page = upcoming_page(found, most=limit)
        shape = wire.show(INVOICE, page)
    if page.next is not None:
        tell(f"These are the first {limit} items; --limit shows more.")
    print_invoice(shape, as_json=as_json)


@command.command(epilog=example("invoices explain INV-00000001"))
@click.argument("invoice")
@click.option("--item", type=click.UUID, help="Only this item; all of them unless given.")
@click.option(
    "--after", type=click.IntRange(0), default=0, help="Where the page of recordings begins: the last `next`."
)
@click.option(
    "--events", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Recordings to show of each."
)
@wide_option
@json_option
def explain(*, invoice: str, item: UUID | None, after: int, events: int, as_json: bool) -> None:
    """Explain the items of INVOICE: the quota, the arithmetic, and the recordings behind each."""
    from usage_billing.reports.explain import explain as explain_item
    from usage_billing.reports.invoices import invoice_view

    with reading() as session:
        view = invoice_view(session, find_invoice(session, invoice).id)
        ids = [item] if item else [one.id for one in view.items]
        found = [explain_item(session, view.invoice.id, item_id, after=after, limit=events) for item_id in ids]
        shapes = [_explained(one) for one in found]
    if as_json:
        print_json(shapes)
        return
    for shape in shapes:
        apart = {"breakdown", "events", "soFar", "before", "coveredBy", "prepaid"}
        print_thing({key: value for key, value in shape.items() if key not in apart}, as_json=False)
        if shape["before"]["quantity"] != "0":
            rows = [{"": "so far", **shape["soFar"]}, {"": "before", **shape["before"]}]
            print_rows(rows, as_json=False, empty="")
        print_rows(shape["breakdown"], as_json=False, empty="Nothing is charged for.")
        for name in ("coveredBy", "prepaid"):
            if shape[name]:
                print_rows(shape[name], as_json=False, empty="")
        empty = "No recordings are behind it." if after == 0 else "No more recordings are behind it."
        print_rows(shape["events"]["data"], as_json=False, empty=empty)
        if (following := shape["events"]["next"]) is not None:
            tell(f"There are more recordings behind it: --after {following} shows them.")


@command.command(epilog=example("invoices finalize 01890a5d-ac96-774b-bcce-b302099a8057"))
@click.argument("invoice")
@json_option
def finalize(*, invoice: str, as_json: bool) -> None:
    """Make the draft INVOICE final, whose period is over, without waiting for the grace time."""
    from usage_billing.flows.billing import manage_invoices

    flow = partial(manage_invoices.finalize_invoice, adjust_within=load_settings().adjust_within)
    _step(flow, invoice, as_json=as_json)


@command.command(epilog=example("invoices pay INV-00000001", "invoices pay 1 --amount 30.00 --reference E2E-4711"))
@click.argument("invoice")
@click.option("--amount", type=AMOUNT, help="What was paid: refused unless it is what is due.")
@click.option("--paid-at", type=TIME, help="When; now unless given.")
@click.option("--reference", type=NAME, help="What names the payment.")
@click.option("--method", type=METHOD, help="How it was paid, such as 'bank transfer'.")
@json_option
def pay(*, invoice: str, as_json: bool, **said: Any) -> None:
    """Remember that the final INVOICE was paid, whole."""
    from usage_billing.flows.billing import manage_invoices

    payment = manage_invoices.Payment(**said)
    _step(partial(manage_invoices.pay_invoice, payment=payment), invoice, as_json=as_json)


@command.command(epilog=example("invoices void INV-00000001"))
@click.argument("invoice")
@json_option
def void(*, invoice: str, as_json: bool) -> None:
    """Take back the final INVOICE; the next run charges anew what it charged."""
    from usage_billing.flows.billing import manage_invoices

    _step(manage_invoices.void_invoice, invoice, as_json=as_json)


@command.command(epilog=example("invoices uncollectible INV-00000001"))
@click.argument("invoice")
@json_option
def uncollectible(*, invoice: str, as_json: bool) -> None:
    """Remember that the final INVOICE will not be paid."""
    from usage_billing.flows.billing import manage_invoices

    _step(manage_invoices.give_up_invoice, invoice, as_json=as_json)


command.add_command(document)
command.add_command(documents)


def print_invoice(shape: wire.Shape, *, as_json: bool) -> None:
    """Print an invoice with its items. When it has more, a line on stderr says so."""
    if shape["itemsUrl"] is not None:
        tell(f"These are the first {len(shape['items'])} items; `usage-billing invoices show --limit` shows more.")
    if as_json:
        print_json(shape)
        return
    print_thing({name: value for name, value in shape.items() if name != "items"}, as_json=False)
    print_rows([pick(item, *_ITEM_COLUMNS) for item in shape["items"]], as_json=False, empty="It has no items.")


def _explained(found: Explanation) -> wire.Shape:
    """An explanation in the form of the API, except that ``next`` of a page of recordings is what ``--after`` takes."""
    shape = wire.show(EXPLANATION, found)
    return shape | {"events": {"data": shape["events"]["data"], "next": found.events.next}}


def _step(flow: Callable[..., Invoice], invoice: str, *, as_json: bool) -> None:
    from usage_billing.reports.invoices import invoice_view

    with writing() as session:
        found = find_invoice(session, invoice).id
        flow(session, found, actor=actor(), now=utc_now())
        shape = wire.show(INVOICE, invoice_view(session, found, items=MAX_ITEMS))
    print_invoice(shape, as_json=as_json)
