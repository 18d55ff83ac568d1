"""Makes the PDF of an invoice and keeps it. Nothing is held open in the database while typst works."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Engine

from usage_billing.core import crash
from usage_billing.db.session import read_only, transaction
from usage_billing.documents.content import content_of
from usage_billing.documents.layout import OUR_LAYOUT, Layout
from usage_billing.documents.models import DocumentKind
from usage_billing.documents.pdf import render, version_of
from usage_billing.documents.queries import find_document, read_source
from usage_billing.documents.service import keep_document


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
        source = read_source(session, invoice_id)
    number = source.invoice["number"]
    if kept is not None:
        return Made(number, kept.content)
    content = render(content_of(source.invoice, zone=source.zone), layout.template, layout.brand)
    if number is None:
        return Made(None, content)
    crash.point("documents.rendered")
    with transaction(engine) as session:
        keep_document(session, invoice_id, DocumentKind.PDF, content, template_version=version_of(layout.template))
        kept = find_document(session, invoice_id, DocumentKind.PDF)
    return Made(number, content if kept is None else kept.content)
