"""Reading invoices, for those who write them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.invoicing.builder import Charged
from usage_billing.invoicing.models import DRAFT, VOID, Invoice, UsageInvoiceItem


@dataclass(slots=True)
class History:
    """What was charged of some summaries: on finalized invoices, and on drafts that may still change."""

    charged: dict[int, Charged] = field(default_factory=dict)
    drafted: dict[int, UsageInvoiceItem] = field(default_factory=dict)


def history_of(session: Session, summary_ids: Collection[int]) -> History:
    """The items of these summaries, those on void invoices left out."""
    history = History()
    rows = session.execute(
        select(UsageInvoiceItem, Invoice.status)
        .join(Invoice, Invoice.id == UsageInvoiceItem.invoice_id)
        .where(UsageInvoiceItem.summary_id.in_(summary_ids), Invoice.status != VOID)
        .execution_options(populate_existing=True)
    )
    for item, status in rows:
        if status == DRAFT:
            history.drafted[item.summary_id] = item
        else:
            before = history.charged.get(item.summary_id, Charged())
            history.charged[item.summary_id] = Charged(
                quantity=EXACT.add(before.quantity, item.quantity), amount=EXACT.add(before.amount, item.amount)
            )
    return history


def standing_invoices(session: Session, subscription_ids: Collection[str]) -> dict[tuple[str, datetime], Invoice]:
    """Every invoice of these subscriptions that is not void, by subscription and start of period."""
    found = session.scalars(
        select(Invoice)
        .where(Invoice.subscription_id.in_(subscription_ids), Invoice.status != VOID)
        .execution_options(populate_existing=True)
    )
    return {(invoice.subscription_id, invoice.period_start): invoice for invoice in found}


def lock_due_drafts(session: Session, subscription_ids: Collection[str], *, ended_before: datetime) -> list[Invoice]:
    """The drafts of these locked subscriptions whose period is over, oldest period first."""
    return list(
        session.scalars(
            select(Invoice)
            .where(
                Invoice.subscription_id.in_(subscription_ids),
                Invoice.status == DRAFT,
                Invoice.period_end <= ended_before,
            )
            .order_by(Invoice.period_start, Invoice.subscription_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def count_items(session: Session, invoice_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many items each of these invoices has; none are absent."""
    rows = session.execute(
        select(UsageInvoiceItem.invoice_id, func.count())
        .where(UsageInvoiceItem.invoice_id.in_(invoice_ids))
        .group_by(UsageInvoiceItem.invoice_id)
    )
    return {row[0]: row[1] for row in rows}
