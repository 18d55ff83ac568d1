"""Make invoices final whose period and grace time are over: a number each, and they never change again."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog.models import Plan
from usage_billing.credits.service import apply, grant, lock_balances
from usage_billing.flows.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.run_outcome import SliceOutcome
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import number_text, take_numbers
from usage_billing.invoicing.queries import lock_due_drafts
from usage_billing.invoicing.service import add_up, finalize
from usage_billing.outbox.service import tell
from usage_billing.subscriptions.models import Subscription


def finalize_invoices(
    session: Session, ids: Collection[str], *, as_of: datetime, grace: timedelta, now: datetime, actor: str
) -> SliceOutcome:
    """Finalize the due drafts of these subscriptions, with whatever was recorded since they were rated."""
    outcome = invoice_subscriptions(session, ids, as_of=as_of)
    ended_before = as_of - grace
    if drafts := lock_due_drafts(session, ids, ended_before=ended_before):
        add_up(session, [draft.id for draft in drafts])
        drafts = lock_due_drafts(session, ids, ended_before=ended_before)
    finalize_drafts(session, drafts, now=now, actor=actor)
    outcome.finalized = len(drafts)
    return outcome


def finalize_drafts(session: Session, drafts: Sequence[Invoice], *, now: datetime, actor: str) -> None:
    """Settle credit and number these locked drafts, in their order."""
    if not drafts:
        return
    balances = lock_balances(session, ((draft.customer_id, draft.currency) for draft in drafts))
    for draft in drafts:
        balance = balances[draft.customer_id, draft.currency]
        if draft.total < 0:
            grant(session, balance, draft.total, invoice_id=draft.id)
        else:
            draft.credit_applied = apply(session, balance, draft.total, invoice_id=draft.id)
    days = _payment_days(session, drafts)
    # The series is locked from here to the end of the transaction: nothing slow may follow.
    for draft, number in zip(drafts, take_numbers(session, len(drafts)), strict=True):
        finalize(draft, number, now=now, payment_days=days[draft.subscription_id])
        note(session, actor=actor, action="invoice.finalize", subject=f"invoice:{draft.id}")
    session.flush()
    tell(session, [_finalized(draft) for draft in drafts])


def _payment_days(session: Session, drafts: Sequence[Invoice]) -> dict[str, int]:
    rows = session.execute(
        select(Subscription.id, Plan.payment_days)
        .join(Plan, Plan.id == Subscription.plan_id)
        .where(Subscription.id.in_({draft.subscription_id for draft in drafts}))
    )
    return {row[0]: row[1] for row in rows}


def _finalized(invoice: Invoice) -> tuple[str, str, dict[str, object]]:
    payload: dict[str, object] = {"invoiceId": str(invoice.id), "number": number_text(invoice.number)}
    return ("invoice.finalized", f"invoice.finalized:{invoice.id}", payload)
