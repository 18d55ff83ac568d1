"""Keeps documents."""

import hashlib
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.documents.models import DocumentKind, DocumentRequest, InvoiceDocument


def keep_document(
    session: Session, invoice_id: UUID, kind: DocumentKind, content: bytes, *, template_version: str
) -> None:
    """Keep a document of a final invoice, unless one is kept already: the first is the document for ever.

    It is asked for no more.
    """
    values = {
        "invoice_id": invoice_id,
        "kind": kind,
        "sha256": hashlib.sha256(content).digest(),
        "content": content,
        "template_version": template_version,
    }
    session.execute(insert(InvoiceDocument).values(values).on_conflict_do_nothing())
    session.execute(delete(DocumentRequest).where(DocumentRequest.invoice_id == invoice_id))
