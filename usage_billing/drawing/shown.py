"""Drafts as they are shown: with the tax of now, and what grants of wallets in money pay of them at this moment."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from usage_billing.core.clock import utc_now
from usage_billing.drawing.applied import show_prepaid
from usage_billing.drawing.books import all_allocations
from usage_billing.drawing.planning import in_money, plan_stored
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.prepaid import PrepaidLine, PrepaidLines, applied_of, parts_of
from usage_billing.invoicing.taxable import put_tax
from usage_billing.invoicing.taxing import tax_stored
from usage_billing.wallets.allocation import Allocation


class ChargingDraft(NamedTuple):
    """A stored draft on which something has an amount."""

    id: UUID
    subscription_id: str | None
    closes_at: datetime


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
    prepaid = plan_shown(session, found, rows)
    taxations = tax_stored(session, rows, prepaid=prepaid)
    for invoice, items in drafts:
        taxation, lines = taxations.of(invoice.id), prepaid.get(invoice.id, ())
        if taxation is not None or lines:
            for one in (invoice, *items):
                session.expunge(one)
            put_tax(taxation, invoice, items)
            put_prepaid(invoice, lines)


def plan_shown(session: Session, found: Sequence[Allocation], drafts: Sequence[Invoice]) -> PrepaidLines:
    """What grants pay of these drafts, whichever of a subscription's drafts are asked for together.

    What reaches back is on the first to be final, of those that charge something.
    """
    if not in_money(found):
        return {}
    names = {draft.subscription_id for draft in drafts if draft.subscription_id is not None}
    charges = exists().where(UsageInvoiceItem.invoice_id == Invoice.id, UsageInvoiceItem.amount != 0)
    rows = session.execute(
        select(Invoice.id, Invoice.subscription_id, Invoice.closes_at)
        .where(Invoice.subscription_id.in_(names), Invoice.status == InvoiceStatus.DRAFT, charges)
        .order_by(Invoice.closes_at, Invoice.kind)
    )
    charging = [ChargingDraft(row.id, row.subscription_id, row.closes_at) for row in rows]
    if not charging:
        return {}
    prepaid = plan_stored(session, found, charging, ended_before=max(draft.closes_at for draft in charging))
    return prepaid.of({draft.id for draft in drafts})


def put_prepaid(draft: Invoice, lines: Sequence[PrepaidLine]) -> None:
    """Show on a draft that belongs to no session what grants pay of it."""
    draft.prepaid_applied = applied_of(lines)
    draft.prepaid = parts_of((line.wallet_id, line.grant_id, line.amount) for line in lines)
