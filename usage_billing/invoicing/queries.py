"""Reading invoices, for those who write them."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import NotFound
from usage_billing.invoicing.builder import Charged
from usage_billing.invoicing.lifecycle import DRAFT, VOID
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem


class Cause(NamedTuple):
    """What an item charges for: the summary or the fee with this id."""

    kind: str
    id: int


def summary_cause(summary_id: int) -> Cause:
    """The cause of a usage charge."""
    return Cause("summary", summary_id)


def fee_cause(fee_id: int) -> Cause:
    """The cause of a base fee."""
    return Cause("fee", fee_id)


@dataclass(slots=True)
class History:
    """What was charged for each cause: on finalized invoices, and on drafts that may still change."""

    charged: dict[Cause, Charged] = field(default_factory=dict)
    drafted: dict[Cause, UsageInvoiceItem] = field(default_factory=dict)


def history_of(session: Session, *, summary_ids: Collection[int], fee_ids: Collection[int]) -> History:
    """The items of these causes, those on void invoices left out."""
    history = History()
    rows = session.execute(
        select(UsageInvoiceItem, Invoice.status)
        .join(Invoice, Invoice.id == UsageInvoiceItem.invoice_id)
        .where(
            or_(UsageInvoiceItem.summary_id.in_(summary_ids), UsageInvoiceItem.fee_id.in_(fee_ids)),
            Invoice.status != VOID,
        )
        .execution_options(populate_existing=True)
    )
    for item, status in rows:
        cause = cause_of(item)
        if status == DRAFT:
            history.drafted[cause] = item
        else:
            before = history.charged.get(cause, Charged())
            history.charged[cause] = Charged(
                quantity=EXACT.add(before.quantity, item.quantity), amount=EXACT.add(before.amount, item.amount)
            )
    return history


def cause_of(item: UsageInvoiceItem) -> Cause:
    """What an item charges for."""
    return summary_cause(item.summary_id) if item.summary_id is not None else fee_cause(item.fee_id or 0)


def standing_invoices(session: Session, subscription_ids: Collection[str]) -> dict[tuple[str, datetime], Invoice]:
    """Every invoice of these subscriptions that is not void, by subscription and when it is due to be final."""
    found = session.scalars(
        select(Invoice)
        .where(Invoice.subscription_id.in_(subscription_ids), Invoice.status != VOID)
        .execution_options(populate_existing=True)
    )
    return {(invoice.subscription_id, invoice.period_end): invoice for invoice in found}


def lock_due_drafts(session: Session, subscription_ids: Collection[str], *, ended_before: datetime) -> list[Invoice]:
    """The drafts of these locked subscriptions whose period is over, oldest first."""
    return list(
        session.scalars(
            select(Invoice)
            .where(
                Invoice.subscription_id.in_(subscription_ids),
                Invoice.status == DRAFT,
                Invoice.period_end <= ended_before,
            )
            .order_by(Invoice.period_end, Invoice.subscription_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    )


def drafts_of(session: Session, subscription_id: str) -> list[Invoice]:
    """The drafts of a subscription, the one that is due first before the others."""
    return list(
        session.scalars(
            select(Invoice)
            .where(Invoice.subscription_id == subscription_id, Invoice.status == DRAFT)
            .order_by(Invoice.period_end)
            .execution_options(populate_existing=True)
        )
    )


def get_invoice(session: Session, invoice_id: UUID, *, lock: bool = False) -> Invoice:
    """Raises NotFound."""
    statement = select(Invoice).where(Invoice.id == invoice_id).execution_options(populate_existing=True)
    found = session.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        raise NotFound(f"there is no invoice {invoice_id}")
    return found


def items_of(session: Session, invoice_id: UUID) -> list[UsageInvoiceItem]:
    """The items of an invoice, oldest period first."""
    return list(
        session.scalars(
            select(UsageInvoiceItem)
            .where(UsageInvoiceItem.invoice_id == invoice_id)
            .order_by(UsageInvoiceItem.period_start, UsageInvoiceItem.id)
        )
    )
