"""Keeps documents."""

import hashlib
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.documents.models import DocumentKind

# One statement: a worker makes a document in milliseconds, of which each way to the database is a good part.
_KEEP = text("""
    WITH made AS (DELETE FROM document_requests WHERE invoice_id = :invoice_id)
    INSERT INTO invoice_documents (invoice_id, kind, sha256, content, template_version)
    VALUES (:invoice_id, :kind, :sha256, :content, :template_version)
    ON CONFLICT DO NOTHING
""")


def keep_document(
    session: Session, invoice_id: UUID, kind: DocumentKind, content: bytes, *, template_version: str
) -> None:
    """Keep a document of a final invoice, unless one is kept already: the first is the document for ever.

    It is asked for no more.
    """
    values = {
        "invoice_id": invoice_id,
        "kind": str(kind),
        "sha256": hashlib.sha256(content).digest(),
        "content": content,
        "template_version": template_version,
    }
    session.execute(_KEEP, values)
