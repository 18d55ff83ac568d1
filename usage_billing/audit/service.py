"""Writing the audit log."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.models import AuditEntry

_NOTE_ALL = text(
    "INSERT INTO audit_log (actor, action, subject)"
    " SELECT :actor, :action, subject FROM unnest(CAST(:subjects AS text[])) AS subject"
)


def note(session: Session, *, actor: str, action: str, subject: str, at: datetime | None = None, **detail: Any) -> None:
    """Remember that ``actor`` (``key:ub_ab12``, ``user:ann``, ``cli``, ``beat``) did ``action`` to ``subject``.

    Written in the caller's transaction: there is an entry exactly when there is a change. ``at`` is when the
    caller's clock says it happened; without it, when the database's does.
    """
    entry = AuditEntry(actor=actor, action=action, subject=subject, detail=detail)
    if at is not None:
        entry.at = at
    session.add(entry)


def note_all(session: Session, *, actor: str, action: str, subjects: Sequence[str]) -> None:
    """The same for many subjects at once, without details."""
    session.execute(_NOTE_ALL, {"actor": actor, "action": action, "subjects": list(subjects)})
