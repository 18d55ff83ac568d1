"""Opens the pages of a customer to a browser and closes them, with an audit entry for each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.customers.queries import get_customer
from usage_billing.sessions import service
from usage_billing.sessions.models import PortalSession
from usage_billing.sessions.queries import get_session
from usage_billing.sessions.service import IssuedSession, NewPortalSession


def create_portal_session(
    session: Session, new: NewPortalSession, *, secret: str, actor: str, now: datetime
) -> IssuedSession:
    """Make a session on a customer's pages; raises NotFound when there is no such customer."""
    get_customer(session, new.customer_id)
    issued = service.add_session(session, new, secret=secret, by=actor, now=now)
    _note(session, issued.row.id, actor=actor, action="portal_session.created", now=now, customer=new.customer_id)
    return issued


def end_portal_session(session: Session, session_id: UUID, *, actor: str, now: datetime) -> PortalSession:
    """End a session; one that has ended stays so. Raises NotFound."""
    row = get_session(session, session_id, lock=True)
    if row.ended_at is None:
        service.end_session(session, row, now=now)
        _note(session, session_id, actor=actor, action="portal_session.ended", now=now)
    return row


def _note(session: Session, session_id: UUID, *, actor: str, action: str, now: datetime, **detail: str) -> None:
    note(session, actor=actor, action=action, subject=f"portal-session:{session_id}", at=now, **detail)
