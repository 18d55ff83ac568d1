"""Reads the sessions of customers on their pages."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.access.keys import hash_key
from usage_billing.core.errors import NotFound
from usage_billing.sessions.models import PortalSession


def get_session(session: Session, session_id: UUID, *, lock: bool = False) -> PortalSession:
    """The session with this id, its row locked with ``lock``; raises NotFound."""
    statement = select(PortalSession).where(PortalSession.id == session_id)
    found = session.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        raise NotFound(f"there is no portal session {session_id}")
    return found


def session_of_cookie(session: Session, cookie: str, *, secret: str) -> PortalSession | None:
    """The session that a cookie stands for, also one that is over; None when it stands for none."""
    return session.scalars(select(PortalSession).where(PortalSession.cookie_hash == hash_key(cookie, secret))).first()


def session_of_code(session: Session, code: str, *, secret: str) -> PortalSession | None:
    """The session that a code opens or opened; None when there is none."""
    return session.scalars(select(PortalSession).where(PortalSession.code_hash == hash_key(code, secret))).first()
