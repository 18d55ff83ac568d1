"""Finalizes invoices whose period and grace time are over: each gets a number, and never changes again."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note_all
from usage_billing.balances.service import apply, grant, holders_of_credit, lock_balances
from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.billing.run_outcome import SliceOutcome
from usage_billing.flows.billing.run_stages import unrated_of
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import number_text, take_numbers
from usage_billing.invoicing.queries import DueDraft, lock_due_drafts
from usage_billing.invoicing.service import Finalization, add_up, finalize, remove_empty
from usage_billing.outbox.service import tell
from usage_billing.subscriptions.openings import lock_to_bill

_NOTHING = Decimal(0)
_PAYMENT_DAYS = text("""
    SELECT s.id, p.payment_days
    FROM subscriptions AS s
    JOIN plans AS p ON p.id = s.plan_id
    WHERE s.id = ANY(CAST(:ids AS text[]))
""")


def finalize_invoices(
    session: Session, ids: Collection[str], *, as_of: datetime, grace: timedelta, now: datetime, actor: str
) -> SliceOutcome:
    """Finalize the due drafts of these subscriptions, with everything that was recorded since they were rated."""
    lock_to_bill(session, ids)
    outcome = invoice_subscriptions(session, unrated_of(session, ids, as_of=as_of), as_of=as_of)
    ended_before = as_of - grace
    drafts = lock_due_drafts(session, ids, ended_before=ended_before)
    if doubtful := [draft.id for draft in drafts if not draft.is_whole]:
        add_up(session, doubtful)
        remove_empty(session, doubtful)
        drafts = lock_due_drafts(session, ids, ended_before=ended_before)
    finalize_drafts(session, drafts, now=now, actor=actor)
    outcome.finalized = len(drafts)
    return outcome


def finalize_drafts(session: Session, drafts: Sequence[DueDraft | Invoice], *, now: datetime, actor: str) -> None:
    """Settle credit for these locked drafts and number them, in their order."""
    if not drafts:
        return
    applied = _settle_credit(session, drafts)
    days = _payment_days(session, drafts)
    note_all(session, actor=actor, action="invoice.finalize", subjects=[f"invoice:{draft.id}" for draft in drafts])
    # The series is locked from here to the end of the transaction: nothing slow may follow.
    numbers = take_numbers(session, len(drafts))
    finals = [
        Finalization(draft.id, number, now + days[draft.subscription_id], applied.get(draft.id, _NOTHING))
        for draft, number in zip(drafts, numbers, strict=True)
    ]
    finalize(session, finals, now=now)
    tell(session, [_finalized(final) for final in finals])


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


def _payment_days(session: Session, drafts: Sequence[DueDraft | Invoice]) -> dict[str, timedelta]:
    """How long after its finalization an invoice is due, by subscription id."""
    rows = session.execute(_PAYMENT_DAYS, {"ids": [draft.subscription_id for draft in drafts]})
    return {row.id: timedelta(days=row.payment_days) for row in rows}


def _finalized(final: Finalization) -> tuple[str, str, dict[str, object]]:
    payload: dict[str, object] = {"invoiceId": str(final.id), "number": number_text(final.number)}
    return ("invoice.finalized", f"invoice.finalized:{final.id}", payload)
