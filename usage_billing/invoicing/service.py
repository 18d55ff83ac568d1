"""Writing invoices: drafts and their items, as sets."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.identifiers import new_id
from usage_billing.core.periods import Period
from usage_billing.invoicing.builder import Charge, Standing, Tariff
from usage_billing.invoicing.lifecycle import DRAFT, FINALIZED, VOID
from usage_billing.invoicing.models import FeeCharge, Invoice, UsageInvoiceItem

_TOTALS = text(
    "UPDATE invoices AS i SET total = coalesce((SELECT sum(amount) FROM usage_invoice_items WHERE invoice_id = i.id),"
    " 0) WHERE i.id = ANY(CAST(:ids AS uuid[]))"
)
_REMOVE_EMPTY = text(
    "DELETE FROM invoices AS i WHERE i.id = ANY(CAST(:ids AS uuid[])) AND i.status = 'draft'"
    " AND NOT EXISTS (SELECT FROM usage_invoice_items WHERE invoice_id = i.id)"
)
_FIXED = frozenset({"id", "invoice_id", "summary_id", "fee_id", "created_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDraft:
    """A draft invoice to be; ``period_end`` is when it is due to be made final."""

    id: UUID
    customer_id: str
    subscription_id: str
    currency: str
    period_start: datetime
    period_end: datetime


def add_drafts(session: Session, drafts: Sequence[NewDraft]) -> None:
    """Store empty drafts. A second one for the same subscription and period violates the unique index."""
    if drafts:
        session.execute(
            insert(Invoice),
            [
                {
                    "id": draft.id,
                    "customer_id": draft.customer_id,
                    "subscription_id": draft.subscription_id,
                    "currency": draft.currency,
                    "period_start": draft.period_start,
                    "period_end": draft.period_end,
                    "status": DRAFT,
                    "total": 0,
                }
                for draft in drafts
            ],
        )


def put_items(session: Session, rows: Sequence[dict[str, Any]], *, cause: str) -> None:
    """Set the one item of each invoice and ``cause`` (``summary_id`` or ``fee_id``): added, or overwritten."""
    if rows:
        statement = insert(UsageInvoiceItem)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=[cause, "invoice_id"],
                set_={name: statement.excluded[name] for name in rows[0] if name not in _FIXED},
            ),
            rows,
        )


def remove_items(session: Session, item_ids: Collection[UUID]) -> None:
    """Take items off their drafts."""
    if item_ids:
        session.execute(delete(UsageInvoiceItem).where(UsageInvoiceItem.id.in_(item_ids)))


def add_up(session: Session, invoice_ids: Collection[UUID]) -> None:
    """Make each invoice's total the sum of its items, and forget drafts that have none."""
    if invoice_ids:
        session.execute(_TOTALS, {"ids": list(invoice_ids)})
        session.execute(_REMOVE_EMPTY, {"ids": list(invoice_ids)})


def bring_drafts_forward(session: Session, subscription_id: str, *, final: Period) -> None:
    """Let what is on drafts that are due after ``final`` be due at its end, on one invoice, the last.

    If the invoice of that moment is final already they stay as they are.
    """
    standing = session.scalars(
        select(Invoice)
        .where(Invoice.subscription_id == subscription_id, Invoice.status != VOID, Invoice.period_end >= final.end)
        .order_by(Invoice.period_end)
        .execution_options(populate_existing=True)
    ).all()
    drafts = [invoice for invoice in standing if invoice.status == DRAFT]
    if not drafts or (standing[0].period_end == final.end and standing[0].status != DRAFT):
        return
    last = drafts[0]
    last.period_start, last.period_end = min(last.period_start, final.start), final.end
    session.flush()
    ids = [draft.id for draft in drafts]
    session.execute(
        update(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id.in_(ids)).values(invoice_id=last.id),
        execution_options={"synchronize_session": False},
    )
    add_up(session, ids)
    session.refresh(last)


def finalize(invoice: Invoice, number: int, *, now: datetime, payment_days: int) -> None:
    """Give a locked draft its number; once written, a trigger keeps it as it is."""
    invoice.number, invoice.status, invoice.finalized_at = number, FINALIZED, now
    invoice.due_at = now + timedelta(days=payment_days)


def usage_item(invoice_id: UUID, charge: Charge, standing: Standing, tariff: Tariff) -> dict[str, Any]:
    """The row of a usage charge."""
    return {
        **_item(invoice_id, charge),
        "summary_id": standing.summary_id,
        "quota_id": tariff.quota_id,
        "usage_type_id": standing.usage_type_id,
        "period_start": standing.period_start,
        "period_end": standing.period_end,
        "allowance": standing.allowance,
        "total": standing.total,
        "billable": standing.billable,
        "price": dict(tariff.price),
        "events": standing.events,
        "billable_events": standing.billable_events,
        "voids": standing.voids,
        "events_hash": standing.events_hash,
    }


def fee_item(invoice_id: UUID, charge: Charge, fee: FeeCharge) -> dict[str, Any]:
    """The row of a base fee."""
    return {
        **_item(invoice_id, charge),
        "fee_id": fee.id,
        "period_start": fee.period_start,
        "period_end": fee.period_end,
        "total": 0,
        "billable": 0,
        "events": 0,
        "billable_events": 0,
    }


def _item(invoice_id: UUID, charge: Charge) -> dict[str, Any]:
    return {
        "id": new_id(),
        "invoice_id": invoice_id,
        "kind": charge.kind,
        "quantity": charge.quantity,
        "charged_before": charge.charged_before,
        "amount": charge.amount,
        "description": charge.description,
    }
