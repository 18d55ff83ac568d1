"""Drafts as they are shown: with the tax of now, and what grants of wallets in money pay of them at this moment."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from usage_billing.core.clock import utc_now
from usage_billing.drawing.applied import show_prepaid
from usage_billing.drawing.books import all_allocations
from usage_billing.drawing.planning import plan_stored
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.prepaid import PrepaidLine, applied_of, parts_of
from usage_billing.invoicing.taxable import put_tax
from usage_billing.invoicing.taxing import tax_stored


def show_what_is_due(session: Session, shown: Sequence[tuple[Invoice, Sequence[UsageInvoiceItem]]]) -> None:
    """Put on stored invoices what their rows do not have: on final ones which grants paid what, on drafts also tax.

    Drafts of which more is to be shown than is stored leave the session, with their items.
    """
    show_prepaid(session, [invoice for invoice, _ in shown])
    drafts = [(invoice, items) for invoice, items in shown if invoice.status == InvoiceStatus.DRAFT]
    if not drafts:
        return
    rows = [invoice for invoice, _ in drafts]
    found = all_allocations(session, {draft.customer_id for draft in rows}, now=utc_now())
    prepaid = plan_stored(session, found, rows, ended_before=min(draft.closes_at for draft in rows))
    taxations = tax_stored(session, rows, prepaid=prepaid.lines)
    for invoice, items in drafts:
        taxation, lines = taxations.of(invoice.id), prepaid.lines.get(invoice.id, ())
        if taxation is not None or lines:
            for one in (invoice, *items):
                session.expunge(one)
            put_tax(taxation, invoice, items)
            put_prepaid(invoice, lines)


def put_prepaid(draft: Invoice, lines: Sequence[PrepaidLine]) -> None:
    """Show on a draft that belongs to no session what grants pay of it."""
    draft.prepaid_applied = applied_of(lines)
    draft.prepaid = parts_of((line.wallet_id, line.grant_id, line.amount) for line in lines)
