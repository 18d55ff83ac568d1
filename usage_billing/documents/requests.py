"""Which PDFs are to be made: a row for each, from when its invoice became final until the PDF is kept.

A worker that claims a row has five minutes; if it dies, another claims the row then. After three failures a row stays
until it is asked for again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

MOST_ATTEMPTS = 3
_LEASE = timedelta(minutes=5)
_LONGEST = 500

_ASK = text("""
    INSERT INTO document_requests (invoice_id)
    SELECT i.id
    FROM invoices AS i
    WHERE i.id = ANY(CAST(:ids AS uuid[])) AND i.status <> 'draft'
        AND NOT EXISTS (SELECT FROM invoice_documents AS d WHERE d.invoice_id = i.id AND d.kind = 'pdf')
    ON CONFLICT (invoice_id) DO NOTHING
""")
_AGAIN = text("UPDATE document_requests SET attempts = 0, tried_at = NULL, error = NULL WHERE invoice_id = :id")
_CLAIM = text("""
    UPDATE document_requests AS r
    SET tried_at = :now, attempts = r.attempts + 1
    FROM (
        SELECT invoice_id
        FROM document_requests
        WHERE attempts < :most AND (tried_at IS NULL OR tried_at < :expired)
        ORDER BY asked_at, invoice_id
        LIMIT :size
        FOR UPDATE SKIP LOCKED
    ) AS free
    WHERE r.invoice_id = free.invoice_id
    RETURNING r.invoice_id
""")
_FORGET = text("DELETE FROM document_requests WHERE invoice_id = :id")
_FAIL = text("""
    INSERT INTO document_requests AS r (invoice_id, tried_at, attempts, error)
    VALUES (:id, :now, 1, :error)
    ON CONFLICT (invoice_id) DO UPDATE
    SET error = excluded.error, tried_at = excluded.tried_at, attempts = r.attempts + CAST(:counts AS int)
""")
_FAILED = text("""
    SELECT coalesce(r.error, 'its worker ended meanwhile') AS error, count(*) OVER () AS all_of_them, i.number,
        r.attempts
    FROM document_requests AS r
    JOIN invoices AS i ON i.id = r.invoice_id
    WHERE r.attempts >= :most AND (r.error IS NOT NULL OR r.tried_at < now() - CAST(:lease AS interval))
        AND (CAST(:id AS uuid) IS NULL OR r.invoice_id = :id)
    ORDER BY i.number
    LIMIT 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedDocuments:
    """How many PDFs could not be made, and of the first the number of its invoice and why."""

    count: int
    number: int
    error: str


def ask_for(session: Session, invoice_ids: Collection[UUID]) -> None:
    """Have the PDFs of these final invoices made, unless they are kept or asked for already."""
    session.execute(_ASK, {"ids": list(invoice_ids)})


def ask_again(session: Session, invoice_id: UUID) -> None:
    """Have the PDF of a final invoice made whatever failed before, unless it is kept."""
    ask_for(session, [invoice_id])
    session.execute(_AGAIN, {"id": invoice_id})


def claim(session: Session, *, at_most: int, now: datetime) -> Sequence[UUID]:
    """Take some of the oldest that no other worker has, for five minutes."""
    asked = {"now": now, "expired": now - _LEASE, "most": MOST_ATTEMPTS, "size": at_most}
    return [row.invoice_id for row in session.execute(_CLAIM, asked)]


def forget(session: Session, invoice_id: UUID) -> None:
    """Ask for a PDF that is kept no more."""
    session.execute(_FORGET, {"id": invoice_id})


def note_failure(session: Session, invoice_id: UUID, error: str, *, claimed: bool, now: datetime) -> None:
    """Note why a PDF could not be made; a claim has counted the attempt already."""
    asked = {"id": invoice_id, "now": now, "error": error[:_LONGEST], "counts": 0 if claimed else 1}
    session.execute(_FAIL, asked)


def find_failed(session: Session, invoice_id: UUID | None = None) -> FailedDocuments | None:
    """The PDFs that are tried no more, or only that of one invoice; None where there is none."""
    row = session.execute(_FAILED, {"most": MOST_ATTEMPTS, "lease": _LEASE, "id": invoice_id}).first()
    return None if row is None else FailedDocuments(count=row.all_of_them, number=row.number, error=row.error)
