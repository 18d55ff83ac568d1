"""Facts about invoices and runs for the outbox, each with the thing as the API shows it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun, RunStatus
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import copy_of
from usage_billing.outbox.service import Fact, tell
from usage_billing.wire.event import INVOICE_TOLD, RUN_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceFacts:
    """Copies of some invoices, made before they are told, and how many items each has."""

    invoices: Mapping[UUID, Invoice]
    counts: Mapping[UUID, int]

    def finalized(self, got: Mapping[UUID, Mapping[str, Any]]) -> list[Fact]:
        """That these drafts became final, each with what it got, such as its number."""
        for id, values in got.items():
            for name, value in values.items():
                setattr(self.invoices[id], name, value)
        return [self.fact(EventType.INVOICE_FINALIZED, self.invoices[id]) for id in got]

    def fact(self, topic: EventType, invoice: Invoice) -> Fact:
        """What became of an invoice; each of it is told once for an invoice."""
        number = number_text(invoice.number)
        told = {
            "invoice_id": invoice.id,
            "number": number,
            "invoice": {
                "invoice": invoice,
                "number": number,
                "item_count": self.counts.get(invoice.id, 0),
                "items_url": f"/api/invoices/{invoice.id}/items",
            },
        }
        return Fact(topic, f"{topic}:{invoice.id}", show(INVOICE_TOLD, told), invoice.customer_id)


def read_for_facts(session: Session, ids: Collection[UUID]) -> InvoiceFacts:
    """Read what is told of these invoices."""
    invoices = session.scalars(select(Invoice).where(Invoice.id.in_(ids)).execution_options(populate_existing=True))
    counts = session.execute(
        select(UsageInvoiceItem.invoice_id, func.count().label("items"))
        .where(UsageInvoiceItem.invoice_id.in_(ids))
        .group_by(UsageInvoiceItem.invoice_id)
    )
    return InvoiceFacts(
        invoices={one.id: copy_of(one) for one in invoices}, counts={row.invoice_id: row.items for row in counts}
    )


def tell_drafts(session: Session, ids: Collection[UUID]) -> None:
    """Tell that these drafts were made."""
    if ids:
        read = read_for_facts(session, ids)
        tell(session, [read.fact(EventType.INVOICE_CREATED, read.invoices[id]) for id in ids if id in read.invoices])


def tell_invoice(session: Session, topic: EventType, invoice: Invoice) -> None:
    """Tell what became of one invoice."""
    session.flush()
    tell(session, [read_for_facts(session, [invoice.id]).fact(topic, invoice)])


def tell_run(session: Session, run: BillingRun) -> None:
    """Tell that a run ended; a dry run, which changed nothing, is not told."""
    if not run.dry_run:
        topic = EventType.RUN_FAILED if run.status == RunStatus.FAILED else EventType.RUN_FINISHED
        session.flush()
        tell(session, [Fact(topic, f"{topic}:{run.id}", show(RUN_TOLD, {"run": run}))])
