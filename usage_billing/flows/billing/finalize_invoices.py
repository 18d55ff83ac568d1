"""Finalizes invoices whose period and grace time are over: each gets a number, and never changes again."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note_all
from usage_billing.balances.queries import balances_of
from usage_billing.balances.service import apply, grant, holders_of_credit, lock_balances
from usage_billing.core import crash
from usage_billing.core.decimals import EXACT
from usage_billing.drawing.applied import keep_prepaid
from usage_billing.drawing.books import all_allocations
from usage_billing.drawing.planning import Prepayment, in_money, plan_stored
from usage_billing.flows.billing.facts import read_for_facts
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.run_stages import unrated_of
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.flows.folding.fold_meters import left_behind
from usage_billing.flows.prepaid.open_occurrences import hold_wallets
from usage_billing.flows.prepaid.post_draws import drawn_without_draft, post_causes, post_said
from usage_billing.invoicing.items import summaries_on
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import take_numbers
from usage_billing.invoicing.prepaid import applied_of
from usage_billing.invoicing.queries import DueDraft, lock_due_drafts
from usage_billing.invoicing.service import Finalization, add_up, finalize, keep_taxes, remove_drafts
from usage_billing.invoicing.taxable import Taxation, Taxations
from usage_billing.invoicing.taxing import tax_stored
from usage_billing.meters.progress import Behind, far_behind
from usage_billing.outbox.service import tell
from usage_billing.prepaid.burn_down import Cause
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.openings import lock_to_bill
from usage_billing.wallets.allocation import Allocation

TAX_PENDING = "tax_pending"
"""The code of what waits as a draft because its tax is not known."""

METER_BEHIND = "meter_behind"
"""The code of what waits as a draft because a meter has too much to count."""

_NOTHING = Decimal(0)
# Those of the plan that holds at the end of what the invoice shows, of a change those of the plan after it. An invoice
# of a purchase has those of the package.
_PAYMENT_DAYS = text("""
    SELECT i.id, p.payment_days
    FROM invoices AS i
    JOIN subscriptions AS s ON s.id = i.subscription_id
    CROSS JOIN LATERAL (
        SELECT plan_id
        FROM subscription_terms
        WHERE subscription_id = s.id
            AND starts_at <= greatest(s.started_at, i.period_start,
                least(i.closes_at, i.period_end) - interval '1 microsecond')
        ORDER BY starts_at DESC
        LIMIT 1
    ) AS t
    JOIN plans AS p ON p.id = t.plan_id
    WHERE i.id = ANY(CAST(:ids AS uuid[]))
    UNION ALL
    SELECT i.id, max(c.payment_days)
    FROM invoices AS i
    JOIN usage_invoice_items AS t ON t.invoice_id = i.id
    JOIN purchase_charges AS c ON c.id = t.purchase_id
    WHERE i.id = ANY(CAST(:ids AS uuid[])) AND i.subscription_id IS NULL
    GROUP BY i.id
""")


def finalize_invoices(
    session: Session,
    ids: Collection[str],
    *,
    as_of: datetime,
    grace: timedelta,
    now: datetime,
    actor: str,
    adjust_within: timedelta = ADJUSTMENT_SPAN,
    rates_again: bool = True,
) -> SliceOutcome:
    """Finalize the due drafts of these subscriptions, with whatever was recorded since they were rated.

    A draft on which nothing has an amount becomes no invoice: it goes. One whose tax is not known stays, with a
    warning; so do those of a subscription of which a meter has too much to count. Unless it ``rates_again``, the
    drafts become final as they are.
    """
    customers = {one.customer_id for one in lock_to_bill(session, ids).values()}
    wallets = hold_wallets(session, customers, now=as_of)
    unrated: set[str] = set()
    if rates_again:  # also what a new meter has to look back on, which nothing marks as to be rated
        unrated = {*unrated_of(session, ids, as_of=as_of), *far_behind(session, ids, more_than=0)}
    outcome = invoice_subscriptions(session, sorted(unrated), as_of=as_of, adjust_within=adjust_within)
    behind = left_behind(session, ids)
    for name, one in sorted(behind.items()):
        outcome.warn(name, METER_BEHIND, behind_words(one))
    ids = [id for id in ids if id not in behind]
    drafts = lock_due_drafts(session, ids, as_of=as_of, grace=grace)
    if doubtful := [draft.id for draft in drafts if not draft.is_whole]:
        add_up(session, doubtful)
        drafts = lock_due_drafts(session, ids, as_of=as_of, grace=grace)
    charging = [draft for draft in drafts if draft.charges]
    found = all_allocations(session, customers, now=as_of, wallets=wallets) if wallets and drafts else []
    prepaid = plan_stored(session, found, charging, ended_before=as_of - grace)
    taxations = tax_stored(session, charging, prepaid=prepaid.lines, lock=True)
    ready: list[DueDraft] = []
    for draft in charging:
        taxation = taxations.of(draft.id)
        if taxation is not None and taxation.pending is not None:
            outcome.warn(draft.subscription_id, TAX_PENDING, taxation.pending)
        else:
            ready.append(draft)
    going = [draft for draft in drafts if not draft.charges]
    if found and (ready or going):
        post_draws(session, found, [*ready, *going], prepaid, late=(ids, as_of - grace))
    remove_drafts(session, [draft.id for draft in going])
    finalize_drafts(session, ready, taxations, prepaid, now=now, actor=actor)
    for draft in ready:
        tax = None if (taxation := taxations.of(draft.id)) is None else taxation.tax
        outcome.add_final(
            draft.subscription_id, draft.kind, draft.closes_at, total=draft.total, tax=tax, currency=draft.currency
        )
        outcome.add_prepaid(applied_of(prepaid.lines.get(draft.id, ())), currency=draft.currency)
    return outcome


def behind_words(behind: Behind) -> str:
    """What is to be waited for, as a sentence."""
    return f"{behind.meter} has not counted all usage yet: {behind.recordings} recordings are left to count"


def post_draws(
    session: Session,
    found: Sequence[Allocation],
    drafts: Sequence[DueDraft | Invoice],
    prepaid: Prepayment,
    *,
    late: tuple[Collection[str], datetime] | None = None,
) -> None:
    """Post what grants of these locked wallets pay for on these drafts, which become final or, uncharged, go.

    ``late``: also what grants in units pay for of these locked subscriptions in periods that ended until then, without
    a draft. What grants in money pay for is posted with the invoice that says so.
    """
    units = [book for book in found if book.wallet.currency is None]
    of_drafts = summaries_on(session, [draft.id for draft in drafts])
    stay = {draft.id for draft in drafts if not isinstance(draft, DueDraft) or draft.charges}
    invoices = {Cause(id, 0): draft if draft in stay else None for id, draft in of_drafts.items()}
    unposted = [] if late is None else drawn_without_draft(session, units, late[0], ended_before=late[1])
    post_causes(session, units, {Cause(id, 0): None for id in unposted} | invoices)
    post_said(session, in_money(found), prepaid.said_with(stay), prepaid.posted_with(stay))
    crash.point("prepaid.posted")


def finalize_drafts(
    session: Session,
    drafts: Sequence[DueDraft | Invoice],
    taxations: Taxations,
    prepaid: Prepayment,
    *,
    now: datetime,
    actor: str,
) -> None:
    """Tax these locked drafts, settle what is paid beforehand and credit for them, and number them.

    What gives back comes first, then the oldest.
    """
    if not drafts:
        return
    lines = prepaid.of({draft.id for draft in drafts})
    paid = {draft.id: applied_of(lines.get(draft.id, ())) for draft in drafts}
    totals = {
        draft.id: EXACT.subtract(EXACT.add(draft.total, taxations.tax(draft.id)), paid[draft.id]) for draft in drafts
    }
    drafts = sorted(drafts, key=lambda one: (totals[one.id] >= 0, one.closes_at, one.subscription_id or "", one.kind))
    for taxation in taxations.by_draft.values():
        keep_taxes(session, taxation.items)
    keep_prepaid(session, lines, taxations)
    applied = _settle_credit(session, drafts, totals)
    days = _payment_days(session, drafts)
    note_all(session, actor=actor, action="invoice.finalize", subjects=[f"invoice:{draft.id}" for draft in drafts])
    told = read_for_facts(session, [draft.id for draft in drafts])
    # The series is locked from here to the end of the transaction: nothing slow may follow.
    numbers = take_numbers(session, len(drafts))
    finals = [
        Finalization(
            id=draft.id,
            number=number,
            due_at=now + days[draft.id],
            credit_applied=applied.get(draft.id, _NOTHING),
            tax=taxations.tax(draft.id),
            prepaid=paid[draft.id],
            taxes=_kept(taxations.of(draft.id), draft.currency),
        )
        for draft, number in zip(drafts, numbers, strict=True)
    ]
    seller_id = None if taxations.seller is None else taxations.seller.id
    tell(session, told.finalized(finalize(session, finals, seller_id=seller_id, now=now)))


def _kept(taxation: Taxation | None, currency: str) -> list[dict[str, Any]] | None:
    digits = minor_unit(currency)
    return None if taxation is None else [line.kept(digits) for line in taxation.lines]


def apply_credit(session: Session, drafts: Sequence[Invoice]) -> None:
    """Show on these drafts of one customer what credit would pay of them, were they made final together."""
    in_hand = {balance.currency: balance.balance for balance in balances_of(session, drafts[0].customer_id)}
    for draft in sorted(drafts, key=lambda draft: (draft.payable >= 0, draft.closes_at)):
        total = draft.payable
        left = EXACT.subtract(in_hand.get(draft.currency, _NOTHING), min(total, _NOTHING))
        draft.credit_applied = min(left, max(total, _NOTHING))
        in_hand[draft.currency] = EXACT.subtract(left, draft.credit_applied)


def _settle_credit(
    session: Session, drafts: Sequence[DueDraft | Invoice], totals: Mapping[UUID, Decimal]
) -> dict[UUID, Decimal]:
    """Grant the credit of negative drafts, and apply to the other drafts the credit that their customers have.

    ``totals`` are with tax, less what grants pay. Returns the credit applied, by invoice id. A customer who has no
    credit and is granted none needs no balance, and no lock on it.
    """
    holders = {(draft.customer_id, draft.currency) for draft in drafts if totals[draft.id] < 0}
    holders |= holders_of_credit(session, (draft.customer_id for draft in drafts))
    balances = lock_balances(session, holders)
    applied: dict[UUID, Decimal] = {}
    for draft in drafts:
        balance = balances.get((draft.customer_id, draft.currency))
        if balance is None:
            continue
        total = totals[draft.id]
        if total < 0:
            grant(session, balance, total, invoice_id=draft.id)
        else:
            applied[draft.id] = apply(session, balance, total, invoice_id=draft.id)
    session.flush()
    return applied


def _payment_days(session: Session, drafts: Sequence[DueDraft | Invoice]) -> dict[UUID, timedelta]:
    """How long each invoice may wait to be paid, by its id."""
    rows = session.execute(_PAYMENT_DAYS, {"ids": [draft.id for draft in drafts]}).all()
    return {row.id: timedelta(days=row.payment_days) for row in rows}
