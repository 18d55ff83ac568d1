"""The invoice that a subscription is heading for, by the very rules that bill; nothing is locked or written."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.giving_way import in_turns
from usage_billing.customers.queries import find_seller
from usage_billing.drawing.books import all_allocations
from usage_billing.drawing.planning import in_money, plan_foreseen
from usage_billing.drawing.shown import put_prepaid
from usage_billing.flows.billing.agreements import read_agreements
from usage_billing.flows.billing.finalize_invoices import apply_credit
from usage_billing.flows.billing.foreseen_books import ForeseenBooks, foreseen_books
from usage_billing.flows.billing.foreseen_meters import usage_made
from usage_billing.flows.billing.invoice_subscriptions import charge_subscriptions
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN, running_slot
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.prepaid import PayableCause, PrepaidLines, taxable_prepaid
from usage_billing.invoicing.taxable import put_tax, taxable
from usage_billing.invoicing.taxing import tax_drafts
from usage_billing.prepaid.burn_down import Cause
from usage_billing.subscriptions.queries import contracts_of_customers
from usage_billing.wallets.queries import wallets_of


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
    customer = agreements.subscriptions[subscription_id].customer_id
    timeline = agreements.timelines[subscription_id]
    if beside := _sharing(session, customer, but=subscription_id):
        agreements = read_agreements(session, [subscription_id, *beside])
    books = foreseen_books(session, agreements, now=now)
    charge_subscriptions(books, agreements, as_of=now, adjust_within=adjust_within)
    stood = {draft.id: draft.total for draft, _ in books.drafts.shown(subscription_id)}
    begun = set(books.fees.plans())  # what is due after this, for a later invoice, a run of now leaves out
    running = running_slot(timeline, max(now, timeline.terms[0].starts_at))
    if running is not None:
        alone = agreements.of([subscription_id])
        charge_subscriptions(books, alone, as_of=running.closes_at, adjust_within=adjust_within)
    drafts = books.drafts.shown(subscription_id)
    charging = [(draft, items) for draft, items in drafts if any(item.amount for item in items)]
    wanted = [one for one in charging if one[0].closes_at > now and one[0].kind != InvoiceKind.CORRECTION]
    if running is None:
        wanted = [one for one in charging if one[0].kind == InvoiceKind.PERIOD][-1:]
    if not wanted and running is not None:  # with an end that is agreed, what was owed of earlier periods is due
        wanted = [one for one in charging if stood.get(one[0].id) != one[0].total]
    if not wanted:
        return None
    closes_at = wanted[0][0].closes_at
    fees = {item.fee_id for draft, items in charging if draft.closes_at <= closes_at for item in items if item.fee_id}
    prepaid = _prepaid(session, customer, charging, books, begun | fees)
    _tax(session, charging, books.fees.plans(), timeline.zone, prepaid)
    apply_credit(session, [draft for draft, _ in charging if draft.closes_at <= closes_at])
    return wanted[0]


def _sharing(session: Session, customer_id: str, *, but: str) -> list[str]:
    """The other subscriptions that a wallet in units, or one for fees, pays for too.

    What they want follows from their terms of now.
    """
    wallets = wallets_of(session, [customer_id])
    shared = [one for one in wallets if one.subscription_id is None and (one.currency is None or one.fees)]
    return [one.id for one in contracts_of_customers(session, {customer_id}) if one.id != but] if shared else []


def _tax(
    session: Session,
    drafts: Sequence[tuple[Invoice, Sequence[UsageInvoiceItem]]],
    plans: Mapping[int, str],
    zone: str,
    prepaid: PrepaidLines,
) -> None:
    """Put on drafts in memory what grants pay of them, and the tax by the rules and rates of now.

    ``plans`` are those of fees by their ids.
    """
    seller = find_seller(session)
    items = [
        taxable(item, plan_id=None if item.fee_id is None else plans.get(item.fee_id), zone=zone)
        for _, lines in drafts
        for item in in_turns(lines)
    ]
    items += taxable_prepaid(items, prepaid)
    taxations = tax_drafts(session, [draft for draft, _ in drafts], items, seller=seller)
    for draft, lines in drafts:
        put_tax(taxations.of(draft.id), draft, lines)
        put_prepaid(draft, prepaid.get(draft.id, ()))


def _prepaid(
    session: Session,
    customer_id: str,
    drafts: Sequence[tuple[Invoice, Sequence[UsageInvoiceItem]]],
    books: ForeseenBooks,
    fee_ids: Collection[int],
) -> PrepaidLines:
    """What grants in money would pay of these drafts in memory; of fees that are not stored they pay these alone."""
    plans = books.fees.plans()
    fees = books.fees.wanting({id for id in fee_ids if id < 0})
    seen = all_allocations(
        session,
        [customer_id],
        now=books.ends.now,
        fees=fees,
        beyond=books.beyond,
        moved=books.moved,
        ends=books.ends.of,
        made=usage_made(books),
    )
    found = in_money(seen)
    if not found:
        return {}
    starts = {key: cause for book in found for key, cause in book.unstored.items()}
    placed: dict[Cause, tuple[PayableCause, UUID]] = {}
    for draft, items in drafts:
        for item in items:
            if item.purchase_id is not None:  # what is bought beforehand is not paid by it
                continue
            summary_id, fee_id = item.summary_id or 0, item.fee_id or 0
            if summary_id < 0:
                summary_id = starts.get((draft.subscription_id or "", item.usage_type_id or "", item.period_start), 0)
            of = PayableCause(
                summary_id=summary_id,
                fee_id=fee_id,
                invoice_id=draft.id,
                subscription_id=draft.subscription_id or "",
                usage_type_id=item.usage_type_id,
                plan_id=plans.get(fee_id),
                period_end=item.period_end,
            )
            placed[of.cause] = (of, draft.id)
    rows = [draft for draft, _ in drafts]
    shown = books.drafts.drafts.values()
    drafted = {Cause(item.summary_id or 0, item.fee_id or 0) for draft in shown for item in draft.items.values()}
    return plan_foreseen(session, found, rows, placed, drafted=drafted, ended_before=rows[0].closes_at)
