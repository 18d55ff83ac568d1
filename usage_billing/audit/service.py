"""Writes the audit log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.models import AuditEntry

_NOTE_ALL = text("""
    INSERT INTO audit_log (actor, action, subject)
    SELECT :actor, :action, subject
    FROM unnest(CAST(:subjects AS text[])) AS subject
""")


def note(session: Session, *, actor: str, action: str, subject: str, at: datetime | None = None, **detail: Any) -> None:
    """Store that ``actor`` (``key:ub_ab12``, ``user:ann``, ``cli``, ``beat``) did ``action`` to ``subject``.

    The entry is written in the caller's transaction, so there is an entry exactly when there is a change. ``at`` is
    when it happened by the caller's clock; without it the database's clock counts.
    """
    entry = AuditEntry(actor=actor, action=action, subject=subject, detail=detail)
    if at is not None:
        entry.at = at
    session.add(entry)


def note_all(session: Session, *, actor: str, action: str, subjects: Sequence[str]) -> None:
    """Store that ``actor`` did ``action`` to each of ``subjects``, without details, by the database's clock."""
    session.execute(_NOTE_ALL, {"actor": actor, "action": action, "subjects": list(subjects)})
