"""Writing the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.audit.models import AuditEntry


def note(session: Session, *, actor: str, action: str, subject: str, at: datetime | None = None, **detail: Any) -> None:
    """Remember that ``actor`` (``key:ub_ab12``, ``user:ann``, ``cli``, ``beat``) did ``action`` to ``subject``.

    Written in the caller's transaction: there is an entry exactly when there is a change. ``at`` is when the
    caller's clock says it happened; without it, when the database's does.
    """
    entry = AuditEntry(actor=actor, action=action, subject=subject, detail=detail)
    if at is not None:
        entry.at = at
    session.add(entry)
