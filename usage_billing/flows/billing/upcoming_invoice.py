"""The invoice that a subscription is heading for, by the very rules that bill; nothing is locked or written."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from usage_billing.flows.billing.agreements import read_agreements
from usage_billing.flows.billing.finalize_invoices import apply_credit
from usage_billing.flows.billing.foreseen_books import foreseen_books
from usage_billing.flows.billing.invoice_subscriptions import charge_subscriptions
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN, running_slot
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem


def upcoming(
    session: Session, subscription_id: str, *, now: datetime, adjust_within: timedelta = ADJUSTMENT_SPAN
) -> tuple[Invoice, Sequence[UsageInvoiceItem]] | None:
    """The next invoice of a subscription as a run would make it; None when there is nothing to invoice.

    It holds what a run now would put on it, and what comes due when it closes: the next fee in advance, and the fees of
    changes that are planned. Of a subscription that ended it is its last period's, while that is not final. Credit in
    hand is applied. Draft and items belong to no session; ids of what is not stored hold for this answer.
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
    apply_credit(session, [draft for draft, _ in charging if draft.closes_at <= wanted[0][0].closes_at])
    return wanted[0]
