"""The invoice that a subscription is heading for, by the very rules that bill; nothing is locked or written."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from usage_billing.core.giving_way import in_turns
from usage_billing.customers.queries import find_seller
from usage_billing.flows.billing.agreements import read_agreements
from usage_billing.flows.billing.finalize_invoices import apply_credit
from usage_billing.flows.billing.foreseen_books import foreseen_books
from usage_billing.flows.billing.invoice_subscriptions import charge_subscriptions
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN, running_slot
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.taxable import put_tax, taxable
from usage_billing.invoicing.taxing import tax_drafts


def upcoming(
    session: Session, subscription_id: str, *, now: datetime, adjust_within: timedelta = ADJUSTMENT_SPAN
) -> tuple[Invoice, Sequence[UsageInvoiceItem]] | None:
    """The next invoice of a subscription as a run would make it; None when there is nothing to invoice.

    It holds what a run now would put on it, and what comes due when it closes: the next fee in advance, and the fees of
    changes that are planned. Of a subscription that ended it is its last period's, while that is not final. Credit in
    hand is applied, to the total with tax. Draft and items belong to no session; ids of what is not stored hold for
    this answer.
    """
    agreements = read_agreements(session, [subscription_id])
    timeline = agreements.timelines[subscription_id]
    books = foreseen_books(session, agreements, now=now)
    charge_subscriptions(books, agreements, as_of=now, adjust_within=adjust_within)
    running = running_slot(timeline, max(now, timeline.terms[0].starts_at))
    if running is not None:
        charge_subscriptions(books, agreements, as_of=running.closes_at, adjust_within=adjust_within)
    drafts = books.drafts.shown(subscription_id)
    charging = [(draft, items) for draft, items in drafts if any(item.amount for item in items)]
    wanted = [one for one in charging if one[0].closes_at > now and one[0].kind != InvoiceKind.CORRECTION]
    if running is None:
        wanted = [one for one in charging if one[0].kind == InvoiceKind.PERIOD][-1:]
    if not wanted:
        return None
    _tax(session, charging, books.fees.plans(), timeline.zone)
    apply_credit(session, [draft for draft, _ in charging if draft.closes_at <= wanted[0][0].closes_at])
    return wanted[0]


def _tax(
    session: Session,
    drafts: Sequence[tuple[Invoice, Sequence[UsageInvoiceItem]]],
    plans: Mapping[int, str],
    zone: str,
) -> None:
    """Put the tax on drafts in memory, by the rules and rates of now; ``plans`` are those of fees by their ids."""
    seller = find_seller(session)
    items = [
        taxable(item, plan_id=None if item.fee_id is None else plans.get(item.fee_id), zone=zone)
        for _, lines in drafts
        for item in in_turns(lines)
    ]
    taxations = tax_drafts(session, [draft for draft, _ in drafts], items, seller=seller)
    for draft, lines in drafts:
        put_tax(taxations.of(draft.id), draft, lines)
