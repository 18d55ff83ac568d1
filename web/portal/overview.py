"""What the overview shows: allowances and their bars, what is charged so far, the next invoice, the last ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from api.state import state
from usage_billing.catalog.queries import plans_by_id
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.db.keyset import page_of
from usage_billing.db.session import once_while_agreed
from usage_billing.flows.billing.upcoming_invoice import upcoming
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.queries import invoices_where
from usage_billing.reports.invoices import InvoiceView, upcoming_page
from usage_billing.reports.series_windows import billing_period
from usage_billing.reports.usage import usage_under
from usage_billing.reports.usage_page import page_of_lines
from usage_billing.subscriptions.queries import Contract
from usage_billing.wire.invoice import INVOICE
from usage_billing.wire.noun import Shape, show
from web.allowances import with_bars
from web.portal.ahead import growth
from web.portal.prices import versions_in_force
from web.portal.visit import Visit
from web.portal.wallets import available
from web.shapes import invoice_shape

_LAST_INVOICES = 3


def overview(visit: Visit) -> dict[str, Any]:
    """What the page of a customer with a subscription is made of."""
    contract = visit.chosen
    if contract is None:
        return {"contract": None, "invoices": last_invoices(visit)}
    period = billing_period(contract.timeline, visit.now)
    coming = next_invoice(visit.session, contract, visit.now)
    lines = usage_under(visit.session, [contract], now=visit.now, span=None)
    term = contract.timeline.term_at(visit.now)
    plans = plans_by_id(visit.session, {one.plan_id for one in contract.timeline.terms})
    plan = plans.get(contract.timeline.plan_at(visit.now))
    shown = with_bars(visit.session, lines, visit.now)
    totals = page_of_lines(lines, after=0).totals
    return {
        "contract": contract.id,
        "plan": plan.name if plan else "",
        "paused": term is not None and term.paused,
        "ended": term is None,
        "period_start": period.start,
        "period_end": period.end,
        "time_left": period.end - visit.now,
        "lines": shown,
        "totals": totals,
        "currency": contract.currency,
        "estimate": _estimate(visit, contract, shown, totals),
        "next": coming,
        "wallets": available(visit) if "wallets" in visit.pages else [],
        "invoices": last_invoices(visit),
    }


def next_invoice(session: Session, contract: Contract, now: datetime, *, items: int = 0) -> Shape | None:
    """The invoice that a subscription is heading for, with up to ``items`` of its items; None when there is none."""
    found = upcoming(session, contract.id, now=now, adjust_within=state().settings.adjust_within)
    return None if found is None else show(INVOICE, upcoming_page(found, most=items))


def last_invoices(visit: Visit) -> list[Shape]:
    """The newest invoices that are final, without their items."""

    def read() -> Sequence[Invoice]:
        statement = invoices_where(customer_id=visit.customer_id).where(Invoice.number.is_not(None))
        by = [Invoice.place, Invoice.id]
        return page_of(visit.session, statement, by=by, after=None, limit=_LAST_INVOICES, newest_first=True).rows

    rows = once_while_agreed(visit.session, ("last invoices", visit.customer_id), read)
    return [invoice_shape(InvoiceView(invoice=invoice, items=()), visit.now) for invoice in rows]


def _estimate(
    visit: Visit, contract: Contract, shown: Sequence[dict[str, Any]], totals: Mapping[str, str]
) -> Decimal | None:
    """What use costs by the end of the period at this rate; None where that cannot be said, or is what it is now."""
    grown = _charges_ahead(visit, contract, shown)
    return EXACT.add(Decimal(totals.get(contract.currency, "0")), grown) if grown else None


def _charges_ahead(visit: Visit, contract: Contract, shown: Sequence[dict[str, Any]]) -> Decimal | None:
    """What use would cost beyond what it costs now, at the end of the period; None where that cannot be said."""
    agreed = {usage_type: version.price for usage_type, version in versions_in_force(visit, contract).items()}
    grown = [growth(one["of"], one["estimated"], agreed.get(one["of"].usage_type)) for one in shown]
    found = [one for one in grown if one is not None]
    return sum_of(found) if found and len(found) == len(grown) else None
