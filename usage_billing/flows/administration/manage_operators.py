"""Lets operators onto the admin pages, with an audit entry for each session that is opened or ended."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.access.principal import Principal
from usage_billing.access.queries import key_id_of_number
from usage_billing.audit.service import note
from usage_billing.sessions import operators
from usage_billing.sessions.operators import OpenedSession, OperatorLink


def let_in(session: Session, principal: Principal, *, secret: str, now: datetime) -> OpenedSession:
    """Open a session for a caller whose credential holds; raises Forbidden unless it has the scope ``admin``."""
    principal.require("admin")
    key_id = key_id_of_number(session, principal.key_number) if principal.key_number else None
    opened = operators.open_by_credential(session, principal.actor, key_id=key_id, secret=secret, now=now)
    _note(session, opened.row.id, actor=principal.actor, action="operator_session.opened", now=now)
    return opened


def make_link(session: Session, *, secret: str, actor: str, now: datetime) -> OperatorLink:
    """Make a link that opens the admin pages once, as ``actor``."""
    link = operators.add_link(session, actor, secret=secret, now=now)
    _note(session, link.row.id, actor=actor, action="operator_session.created", now=now)
    return link


def follow_link(session: Session, code: str, *, secret: str, now: datetime) -> OpenedSession:
    """Open the session of a link; raises NotAuthenticated for a code that opens none."""
    opened = operators.open_by_code(session, code, secret=secret, now=now)
    _note(session, opened.row.id, actor=opened.row.actor, action="operator_session.opened", now=now)
    return opened


def sign_out(session: Session, session_id: UUID, *, actor: str, now: datetime) -> None:
    """End a session; one that has ended stays so."""
    if operators.end_operator_session(session, session_id, now=now):
        _note(session, session_id, actor=actor, action="operator_session.ended", now=now)


def _note(session: Session, session_id: UUID, *, actor: str, action: str, now: datetime) -> None:
    note(session, actor=actor, action=action, subject=f"operator-session:{session_id}", at=now)
