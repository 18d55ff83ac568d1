"""The invoice that a subscription is heading for, by the very code that bills."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.flows.billing.invoice_subscriptions import invoice_subscriptions
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.queries import drafts_of, items_of


def upcoming(
    session: Session, subscription_id: str, *, now: datetime
) -> tuple[Invoice, Sequence[UsageInvoiceItem]] | None:
    """The draft that a run now would leave for a subscription, in a session that is rolled back; None without one.

    Draft and items outlive the session, and what it knew before.
    """
    invoice_subscriptions(session, [subscription_id], as_of=now)
    drafts = drafts_of(session, subscription_id)
    due = [draft for draft in drafts if draft.period_end > now] or drafts
    found = (due[0], items_of(session, due[0].id)) if due else None
    session.expunge_all()
    return found
