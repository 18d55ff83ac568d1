"""Reads kept documents, and what a document is made of."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.core.spans import Span
from usage_billing.customers.queries import get_customer, get_seller
from usage_billing.db.filters import within
from usage_billing.documents.models import DocumentKind, InvoiceDocument
from usage_billing.drawing.shown import show_what_is_due
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import items_as_shown
from usage_billing.subscriptions.models import Subscription
from usage_billing.wire.customer import CUSTOMER, SELLER
from usage_billing.wire.invoice import INVOICE
from usage_billing.wire.noun import Shape, show


class DocumentSource(NamedTuple):
    """What a document is made of: an invoice as ``wire`` shows it with all of its items, and the zone of its days."""

    invoice: Shape
    zone: str


def find_document(session: Session, invoice_id: UUID, kind: DocumentKind) -> InvoiceDocument | None:
    """The kept document of an invoice, or None while there is none."""
    return session.get(InvoiceDocument, (invoice_id, kind))


def finals_in(session: Session, span: Span) -> Sequence[UUID]:
    """The ids of the invoices that became final in ``span``, by number."""
    statement = within(select(Invoice), Invoice.finalized_at, span).where(Invoice.status != InvoiceStatus.DRAFT)
    return session.scalars(statement.with_only_columns(Invoice.id).order_by(Invoice.number)).all()


def read_source(session: Session, invoice_id: UUID) -> DocumentSource:
    """What the documents of an invoice are made of; its days are UTC where it has no subscription. Raises NotFound.

    A draft, and an invoice that was final before parties were kept, names the seller and the customer as they are now.
    """
    statement = select(Invoice, Subscription.timezone).outerjoin(
        Subscription, Invoice.subscription_id == Subscription.id
    )
    found = session.execute(statement.where(Invoice.id == invoice_id)).one_or_none()
    if found is None:
        raise NotFound(f"there is no invoice {invoice_id}")
    invoice, zone = found
    items = items_as_shown(session, invoice_id)
    show_what_is_due(session, [(invoice, items)])
    shape = show(
        INVOICE, {"invoice": invoice, "number": number_text(invoice.number), "items": items, "items_url": None}
    )
    if invoice.buyer is None:
        shape["buyer"] = show(CUSTOMER, get_customer(session, invoice.customer_id))
        shape["seller"] = _seller_now(session)
    return DocumentSource(shape, zone or "UTC")


def _seller_now(session: Session) -> Shape | None:
    try:
        return show(SELLER, get_seller(session))
    except NotFound:
        return None
