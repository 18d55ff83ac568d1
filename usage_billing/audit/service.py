"""Writing the audit log."""

from typing import Any

from sqlalchemy.orm import Session

from usage_billing.audit.models import AuditEntry


def note(session: Session, *, actor: str, action: str, subject: str, **detail: Any) -> None:
    """Remember that ``actor`` (``key:ub_ab12``, ``user:ann``, ``cli``, ``beat``) did ``action`` to ``subject``.

    Written in the caller's transaction: there is an entry exactly when there is a change.
    """
    session.add(AuditEntry(actor=actor, action=action, subject=subject, detail=detail))
