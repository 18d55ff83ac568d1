"""Makes the PDF of an invoice and keeps it. Nothing is held open in the database while typst works."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from usage_billing.core import crash
from usage_billing.db.session import read_only, transaction
from usage_billing.documents.content import content_of
from usage_billing.documents.layout import OUR_LAYOUT, Layout
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.pdf import render, version_of
from usage_billing.documents.queries import find_document, read_source
from usage_billing.documents.service import keep_document
from usage_billing.invoicing.numbering import number_text
from usage_billing.invoicing.queries import get_invoice


class Made(NamedTuple):
    """A PDF; of a draft ``number`` is None, and nothing is kept."""

    number: str | None
    content: bytes


def pdf_of(engine: Engine, invoice_id: UUID, *, layout: Layout = OUR_LAYOUT) -> Made:
    """The PDF of an invoice: the kept one, or else one that is made now, and kept if the invoice is final.

    Raises NotFound. If two make it at once, both get the one that was kept first.
    """
    with read_only(engine) as session:
        kept = find_document(session, invoice_id, DocumentKind.PDF)
        if kept is not None:
            return Made(number_text(get_invoice(session, invoice_id).number), kept.content)
    made = make_pdf(engine, invoice_id, layout=layout)
    if made.number is None:
        return made
    with transaction(engine) as session:
        keep_pdf(session, invoice_id, made.content, layout=layout)
        kept = find_document(session, invoice_id, DocumentKind.PDF)
    return made if kept is None else Made(made.number, kept.content)


def make_pdf(engine: Engine, invoice_id: UUID, *, layout: Layout) -> Made:
    """The PDF of an invoice as it is made now, whether or not one is kept. Raises NotFound."""
    with read_only(engine) as session:
        source = read_source(session, invoice_id)
    made = render(content_of(source.invoice, zone=source.zone), layout.template, layout.brand)
    crash.point("documents.rendered")
    return Made(source.invoice["number"], made)


def keep_pdf(session: Session, invoice_id: UUID, content: bytes, *, layout: Layout) -> None:
    """Keep the PDF of a final invoice, unless one is kept already; it is asked for no more."""
    keep_document(session, invoice_id, DocumentKind.PDF, content, template_version=version_of(layout.template))
