"""Writing invoices: drafts and their items, as sets."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.identifiers import new_id
from usage_billing.invoicing.builder import Charge
from usage_billing.invoicing.models import DRAFT, FINALIZED, Invoice, UsageInvoiceItem

_TOTALS = text(
    "UPDATE invoices AS i SET total = coalesce((SELECT sum(amount) FROM usage_invoice_items WHERE invoice_id = i.id),"
    " 0) WHERE i.id = ANY(CAST(:ids AS uuid[]))"
)
_CHANGING = (
    "quota_id",
    "total",
    "billable",
    "quantity",
    "charged_before",
    "amount",
    "price",
    "events",
    "billable_events",
    "description",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDraft:
    """A draft invoice to be."""

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


def put_items(session: Session, charges: Sequence[tuple[UUID, Charge]]) -> None:
    """Set the one item of each ``(invoice id, charge)``: added, or overwritten while its invoice is a draft."""
    if charges:
        statement = insert(UsageInvoiceItem)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["summary_id", "invoice_id"],
                set_={name: statement.excluded[name] for name in _CHANGING},
            ),
            [_item(invoice_id, charge) for invoice_id, charge in charges],
        )


def remove_items(session: Session, item_ids: Collection[UUID]) -> None:
    """Take items off their drafts."""
    if item_ids:
        session.execute(delete(UsageInvoiceItem).where(UsageInvoiceItem.id.in_(item_ids)))


def add_up(session: Session, invoice_ids: Collection[UUID]) -> None:
    """Make each invoice's total the sum of its items."""
    if invoice_ids:
        session.execute(_TOTALS, {"ids": list(invoice_ids)})


def remove_drafts(session: Session, invoices: Sequence[Invoice]) -> None:
    """Forget drafts that charge nothing."""
    if invoices:
        session.execute(delete(Invoice).where(Invoice.id.in_([invoice.id for invoice in invoices])))


def finalize(session: Session, invoices: Sequence[Invoice], numbers: Sequence[int], *, now: datetime) -> None:
    """Give locked drafts their numbers; from here on a trigger keeps them as they are."""
    for invoice, number in zip(invoices, numbers, strict=True):
        invoice.number, invoice.status, invoice.finalized_at = number, FINALIZED, now
    session.flush()


def _item(invoice_id: UUID, charge: Charge) -> dict[str, Any]:
    standing, tariff = charge.standing, charge.tariff
    return {
        "id": new_id(),
        "invoice_id": invoice_id,
        "summary_id": standing.summary_id,
        "quota_id": tariff.quota_id,
        "usage_type_id": standing.usage_type_id,
        "kind": charge.kind,
        "period_start": standing.period_start,
        "period_end": standing.period_end,
        "total": standing.total,
        "billable": standing.billable,
        "quantity": charge.quantity,
        "charged_before": charge.charged_before,
        "amount": charge.amount,
        "price": dict(tariff.price),
        "events": standing.events,
        "billable_events": standing.billable_events,
        "description": charge.description,
    }
