"""Make invoices final whose period and grace time are over: a number each, and they never change again."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.flows.invoice_subscriptions import invoice_subscriptions
from usage_billing.flows.run_outcome import SliceOutcome
from usage_billing.invoicing.numbering import number_text, take_numbers
from usage_billing.invoicing.queries import count_items, lock_due_drafts
from usage_billing.invoicing.service import finalize, remove_drafts
from usage_billing.outbox.service import tell


def finalize_invoices(
    session: Session, ids: Collection[str], *, as_of: datetime, grace: timedelta, now: datetime, actor: str
) -> SliceOutcome:
    """Finalize the due drafts of these subscriptions, with whatever was recorded since they were rated."""
    outcome = invoice_subscriptions(session, ids, as_of=as_of)
    drafts = lock_due_drafts(session, ids, ended_before=as_of - grace)
    items = count_items(session, [draft.id for draft in drafts])
    remove_drafts(session, [draft for draft in drafts if draft.id not in items])
    due = [draft for draft in drafts if draft.id in items]
    if due:
        # The series is locked from here to the end of the transaction: nothing slow may follow.
        finalize(session, due, take_numbers(session, len(due)), now=now)
        for invoice in due:
            note(session, actor=actor, action="invoice.finalize", subject=f"invoice:{invoice.id}")
        tell(
            session,
            [
                (
                    "invoice.finalized",
                    f"invoice.finalized:{invoice.id}",
                    {"invoiceId": str(invoice.id), "number": number_text(invoice.number)},
                )
                for invoice in due
            ],
        )
    outcome.finalized = len(due)
    return outcome
