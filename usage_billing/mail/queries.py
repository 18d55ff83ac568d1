"""Reads who wants no mail, and what mails need to know of customers and invoices."""

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.core.errors import NotFound
from usage_billing.customers.models import Customer
from usage_billing.customers.queries import get_seller
from usage_billing.documents.models import DocumentKind, InvoiceDocument
from usage_billing.mail.models import MailRefusal
from usage_billing.subscriptions.models import Subscription


class Reader(NamedTuple):
    """A customer as mail needs it: the address and the language, each None where none is known."""

    address: str | None
    language: str | None


def refusals(session: Session, customer_ids: Collection[str]) -> set[tuple[str, str]]:
    """Which of these customers want no mail about what."""
    statement = select(MailRefusal).where(MailRefusal.customer_id.in_(customer_ids))
    return {(one.customer_id, one.what) for one in session.scalars(statement)}


def readers(session: Session, customer_ids: Collection[str]) -> Mapping[str, Reader]:
    """These customers, those that are there."""
    statement = select(Customer.id, Customer.email, Customer.language).where(Customer.id.in_(customer_ids))
    return {row.id: Reader(row.email, row.language) for row in session.execute(statement)}


def seller_language(session: Session) -> str | None:
    """The seller's language; None where none was said."""
    try:
        return get_seller(session).language
    except NotFound:
        return None


def zones(session: Session, subscription_ids: Collection[str]) -> Mapping[str, str]:
    """The IANA zones of these subscriptions."""
    statement = select(Subscription.id, Subscription.timezone).where(Subscription.id.in_(subscription_ids))
    return {row.id: row.timezone for row in session.execute(statement)}


def units(session: Session, usage_types: Collection[str]) -> Mapping[str, str]:
    """What the units of these usage types are called."""
    statement = select(UsageType.id, UsageType.unit_name).where(UsageType.id.in_(usage_types))
    return {row.id: row.unit_name for row in session.execute(statement)}


def pdfs(session: Session, invoice_ids: Collection[UUID]) -> Mapping[UUID, bytes]:
    """The kept PDFs of these invoices."""
    statement = select(InvoiceDocument.invoice_id, InvoiceDocument.content).where(
        InvoiceDocument.invoice_id.in_(invoice_ids), InvoiceDocument.kind == DocumentKind.PDF
    )
    return {row.invoice_id: row.content for row in session.execute(statement)}
