"""Finalizes invoices whose period and grace time are over: each gets a number, and never changes again."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note_all
from usage_billing.balances.queries import balances_of
from usage_billing.balances.service import apply, grant, holders_of_credit, lock_balances
from usage_billing.core.decimals import EXACT
from usage_billing.flows.billing.facts import read_for_facts
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.run_stages import unrated_of
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import take_numbers
from usage_billing.invoicing.queries import DueDraft, lock_due_drafts
from usage_billing.invoicing.service import Finalization, add_up, finalize, remove_drafts
from usage_billing.outbox.service import tell
from usage_billing.subscriptions.openings import lock_to_bill

_NOTHING = Decimal(0)
# Those of the plan that holds at the end of what the invoice shows, of a change those of the plan after it.
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

    A draft on which nothing has an amount becomes no invoice: it goes. Unless it ``rates_again``, the drafts become
    final as they are.
    """
    lock_to_bill(session, ids)
    unrated = unrated_of(session, ids, as_of=as_of) if rates_again else []
    outcome = invoice_subscriptions(session, unrated, as_of=as_of, adjust_within=adjust_within)
    drafts = lock_due_drafts(session, ids, as_of=as_of, grace=grace)
    if doubtful := [draft.id for draft in drafts if not draft.is_whole]:
        add_up(session, doubtful)
        drafts = lock_due_drafts(session, ids, as_of=as_of, grace=grace)
    remove_drafts(session, [draft.id for draft in drafts if not draft.charges])
    charging = [draft for draft in drafts if draft.charges]
    finalize_drafts(session, charging, now=now, actor=actor)
    for draft in charging:
        outcome.add_final(
            draft.subscription_id, draft.kind, draft.closes_at, total=draft.total, currency=draft.currency
        )
    return outcome


def finalize_drafts(session: Session, drafts: Sequence[DueDraft | Invoice], *, now: datetime, actor: str) -> None:
    """Settle credit for these locked drafts and number them, in their order."""
    if not drafts:
        return
    applied = _settle_credit(session, drafts)
    days = _payment_days(session, drafts)
    note_all(session, actor=actor, action="invoice.finalize", subjects=[f"invoice:{draft.id}" for draft in drafts])
    told = read_for_facts(session, [draft.id for draft in drafts])
    # The series is locked from here to the end of the transaction: nothing slow may follow.
    numbers = take_numbers(session, len(drafts))
    finals = [
        Finalization(draft.id, number, now + days[draft.id], applied.get(draft.id, _NOTHING))
        for draft, number in zip(drafts, numbers, strict=True)
    ]
    tell(session, told.finalized(finalize(session, finals, now=now)))


def apply_credit(session: Session, drafts: Sequence[Invoice]) -> None:
    """Show on these drafts of one customer what credit would pay of them, were they made final together."""
    in_hand = {balance.currency: balance.balance for balance in balances_of(session, drafts[0].customer_id)}
    for draft in sorted(drafts, key=lambda draft: (draft.total >= 0, draft.closes_at)):
        left = EXACT.subtract(in_hand.get(draft.currency, _NOTHING), min(draft.total, _NOTHING))
        draft.credit_applied = min(left, max(draft.total, _NOTHING))
        in_hand[draft.currency] = EXACT.subtract(left, draft.credit_applied)


def _settle_credit(session: Session, drafts: Sequence[DueDraft | Invoice]) -> dict[UUID, Decimal]:
    """Grant the credit of negative drafts, and apply to the other drafts the credit that their customers have.

    Returns the credit applied, by invoice id. A customer who has no credit and is granted none needs no balance, and no
    lock on it.
    """
    holders = {(draft.customer_id, draft.currency) for draft in drafts if draft.total < 0}
    holders |= holders_of_credit(session, (draft.customer_id for draft in drafts))
    balances = lock_balances(session, holders)
    applied: dict[UUID, Decimal] = {}
    for draft in drafts:
        balance = balances.get((draft.customer_id, draft.currency))
        if balance is None:
            continue
        if draft.total < 0:
            grant(session, balance, draft.total, invoice_id=draft.id)
        else:
            applied[draft.id] = apply(session, balance, draft.total, invoice_id=draft.id)
    session.flush()
    return applied


def _payment_days(session: Session, drafts: Sequence[DueDraft | Invoice]) -> dict[UUID, timedelta]:
    """By invoice: those of the plan that holds at the end of what it shows."""
    rows = session.execute(_PAYMENT_DAYS, {"ids": [draft.id for draft in drafts]}).all()
    return {row.id: timedelta(days=row.payment_days) for row in rows}
