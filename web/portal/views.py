"""The addresses of the portal. A view asks for what its page shows, and shows it."""

from typing import Any
from uuid import UUID

from flask import Response

from usage_billing.core.errors import NotFound
from usage_billing.core.limits import MAX_ITEMS
from usage_billing.invoicing.numbering import number_text
from usage_billing.reports.series_csv import series_csv
from usage_billing.wire.noun import Shape
from web.pages import guard
from web.portal import invoices, overview, prices, records, shown, usage, wallets
from web.portal.blueprint import blp
from web.portal.gate import visiting
from web.portal.visit import Visit
from web.wording import with_texts


@blp.get("/")
@blp.get("")
@visiting("overview")
def show_overview(visit: Visit) -> Response:
    """Allowances, charges, the next invoice and the last ones."""
    shown.query_of()
    return shown.framed(visit, "overview", "overview", **overview.overview(visit))


@blp.get("/overview/live")
@visiting("overview", moves=())
def show_living_overview(visit: Visit) -> Response:
    """The part of the overview that moves; 304 while it does not."""
    return shown.as_before(visit.tag, visit.pages) or shown.part(visit, "overview_live", **overview.overview(visit))


@blp.get("/usage")
@visiting("usage")
def show_usage(visit: Visit) -> Response:
    """Usage over time, and of a meter by a dimension."""
    contract, query = visit.chosen, shown.query_of("type", "span", "dimension")
    if contract is None:
        return shown.framed(visit, "usage", "usage", asked=None, address_of_view={})
    asked = usage.asked(visit, contract, query)
    context = usage.choices(visit, asked)
    if asked.usage_type is not None:
        context |= usage.table(visit, usage.series_of(visit, contract, asked), asked)
    return shown.framed(visit, "usage", "usage", **context)


@blp.get("/usage/live")
@visiting("usage", moves=("type", "span", "dimension"))
def show_living_usage(visit: Visit) -> Response:
    """The chart and its table; 304 while they do not move."""
    query = shown.query_of("type", "span", "dimension")
    same = shown.as_before(visit.tag, visit.pages)
    if same is not None:
        return same
    if visit.chosen is None:
        return shown.part(visit, "usage_live", asked=None)
    asked = usage.asked(visit, visit.chosen, query)
    table = usage.table(visit, usage.series_of(visit, visit.chosen, asked), asked) if asked.usage_type else {}
    return shown.part(visit, "usage_live", asked=asked, **table)


@blp.get("/usage.csv")
@visiting("usage")
def save_usage(visit: Visit) -> Response:
    """What the page of usage shows, as the API's CSV."""
    query = shown.query_of("type", "span", "dimension")
    if visit.chosen is None:
        raise NotFound("there is nothing at this address")
    asked = usage.asked(visit, visit.chosen, query)
    if asked.usage_type is None:
        raise NotFound("there is nothing at this address")
    found = usage.series_of(visit, visit.chosen, asked)
    text = series_csv(found, (asked.dimension,) if asked.dimension else ())
    response = guard(Response(text, mimetype="text/csv"))
    response.headers["Content-Disposition"] = 'attachment; filename="usage.csv"'
    return response


@blp.get("/records")
@visiting("records")
def show_records(visit: Visit) -> Response:
    """Recordings, newest first, or the one looked for."""
    query = shown.query_of("find", "day", "after")
    looked, on_day = query.get("find", ""), query.get("day", "")
    context: dict[str, Any] = {"found": None, "rows": [], "after": None}
    if visit.chosen is not None:
        context = records.records(visit, visit.chosen, query)
    return shown.framed(visit, "records", "records", looked=looked, on_day=on_day, **context)


@blp.get("/invoices")
@visiting("invoices")
def show_invoices(visit: Visit) -> Response:
    """Invoices that are final, newest first."""
    before = invoices.number_from(shown.query_of("before").get("before"))
    return shown.framed(visit, "invoices", "invoices", **invoices.invoices(visit, before))


@blp.get("/invoices/<uuid:invoice_id>")
@visiting("invoices")
def show_invoice(visit: Visit, invoice_id: UUID) -> Response:
    """An invoice, and what it is for."""
    shown.query_of()
    return shown.framed(visit, "invoices", "invoice", one=invoices.invoice(visit, invoice_id))


@blp.get("/invoices/<uuid:invoice_id>/items/<uuid:item_id>")
@visiting("invoices")
def explain_item(visit: Visit, invoice_id: UUID, item_id: UUID) -> Response:
    """How an item was reckoned, down to the recordings."""
    after = invoices.number_from(shown.query_of("after").get("after")) or 0
    item = invoices.explanation(visit, invoice_id, item_id, after)
    number = number_text(invoices.own(visit, invoice_id).number)
    return shown.framed(visit, "invoices", "item", item=item, number_of_invoice=number, invoice_id=invoice_id)


@blp.get("/invoices/<uuid:invoice_id>/pdf")
@visiting("invoices")
def save_pdf(visit: Visit, invoice_id: UUID) -> Response:
    """The invoice's PDF; while it is made, a page that asks again."""
    shown.query_of()
    found = invoices.as_pdf(visit, invoice_id)
    if found is not None:
        return guard(found)
    return invoices.refreshed(shown.framed(visit, "invoices", "pdf", invoice_id=invoice_id))


@blp.get("/invoices/<uuid:invoice_id>/csv")
@visiting("invoices")
def save_csv(visit: Visit, invoice_id: UUID) -> Response:
    """The invoice's items as CSV."""
    shown.query_of()
    return guard(invoices.as_csv(visit, invoice_id))


@blp.get("/upcoming")
@visiting("upcoming")
def show_upcoming(visit: Visit) -> Response:
    """The invoice as it would be now."""
    shown.query_of()
    return shown.framed(visit, "upcoming", "upcoming", one=_upcoming(visit))


@blp.get("/upcoming/live")
@visiting("upcoming", moves=())
def show_living_upcoming(visit: Visit) -> Response:
    """The part of the upcoming invoice's page that moves, without its frame; 304 while it does not."""
    return shown.as_before(visit.tag, visit.pages) or shown.part(visit, "upcoming_live", one=_upcoming(visit))


@blp.get("/prices")
@visiting("prices")
def show_prices(visit: Visit) -> Response:
    """What is agreed, and a quantity reckoned by it."""
    query = shown.query_of("type", "quantity")
    context = {"quotas": []} if visit.chosen is None else prices.prices(visit, visit.chosen, query)
    return shown.framed(visit, "prices", "prices", **context)


@blp.get("/wallets")
@visiting("wallets")
def show_wallets(visit: Visit) -> Response:
    """What the customer has in hand: wallets with their grants, and the balance."""
    shown.query_of()
    return shown.framed(visit, "wallets", "wallets", **wallets.in_hand(visit))


@blp.get("/wallets/live")
@visiting("wallets", moves=())
def show_living_wallets(visit: Visit) -> Response:
    """The part of that page that moves; 304 while it does not."""
    shown.query_of()
    return shown.as_before(visit.tag, visit.pages) or shown.part(visit, "wallets_live", **wallets.in_hand(visit))


@blp.get("/wallets/of/<identifier:wallet_id>")
@visiting("wallets")
def show_wallet(visit: Visit, wallet_id: str) -> Response:
    """What moved in one wallet, newest first."""
    before = invoices.number_from(shown.query_of("before").get("before"))
    return shown.framed(visit, "wallets", "wallet", **wallets.movements(visit, wallet_id, before))


@blp.get("/wallets/balance")
@visiting("wallets")
def show_balance(visit: Visit) -> Response:
    """What moved in the customer's balance, newest first."""
    before = invoices.number_from(shown.query_of("before").get("before"))
    return shown.framed(visit, "wallets", "balance", **wallets.balance(visit, before))


def _upcoming(visit: Visit) -> Shape | None:
    if visit.chosen is None:
        return None
    found = overview.next_invoice(visit.session, visit.chosen, visit.now, items=MAX_ITEMS)
    return None if found is None else with_texts(found, visit.writer)
