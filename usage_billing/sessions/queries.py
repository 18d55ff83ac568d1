"""Reads the sessions of customers on their pages."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import TextClause, select
from sqlalchemy.orm import Session

from usage_billing.access.keys import hash_key
from usage_billing.core.errors import NotFound
from usage_billing.customers.models import Customer
from usage_billing.sessions.models import PortalSession


def get_session(session: Session, session_id: UUID, *, lock: bool = False) -> PortalSession:
    """The session with this id, its row locked with ``lock``; raises NotFound."""
    statement = select(PortalSession).where(PortalSession.id == session_id)
    found = session.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        raise NotFound(f"there is no portal session {session_id}")
    return found


class Visitor(NamedTuple):
    """A session on the pages, its customer, and the columns that were asked for beside them."""

    row: PortalSession
    customer: Customer
    beside: tuple[Any, ...]


def visitor_of_cookie(
    session: Session, cookie: str, *, secret: str, beside: Sequence[TextClause] = ()
) -> Visitor | None:
    """Whom a cookie stands for, also where the session is over; None when it stands for none.

    ``beside`` are columns that are read with it.
    """
    statement = select(PortalSession, Customer, *beside).join_from(
        PortalSession, Customer, Customer.id == PortalSession.customer_id
    )
    found = session.execute(statement.where(PortalSession.cookie_hash == hash_key(cookie, secret))).first()
    return None if found is None else Visitor(found[0], found[1], tuple(found[2:]))


def session_of_code(session: Session, code: str, *, secret: str) -> PortalSession | None:
    """The session that a code opens or opened; None when there is none."""
    return session.scalars(select(PortalSession).where(PortalSession.code_hash == hash_key(code, secret))).first()
