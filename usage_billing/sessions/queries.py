"""Reads the sessions of customers on their pages."""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, TextClause, select, text
from sqlalchemy.orm import Session

from usage_billing.access.keys import hash_key
from usage_billing.core.errors import NotFound
from usage_billing.customers.models import Customer
from usage_billing.sessions.models import PortalSession

_OF_SESSION = (
    "id",
    "customer_id",
    "expires_at",
    "ended_at",
    "pages",
    "locale",
    "timezone",
    "return_url",
    "refresh_url",
    "made_by",
)
_OF_CUSTOMER = ("id", "name", "language")


def get_session(session: Session, session_id: UUID, *, lock: bool = False) -> PortalSession:
    """The session with this id, its row locked with ``lock``; raises NotFound."""
    statement = select(PortalSession).where(PortalSession.id == session_id)
    found = session.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        raise NotFound(f"there is no portal session {session_id}")
    return found


class Visitor(NamedTuple):
    """A session on the pages, its customer, and the columns that were asked for beside them.

    Row and customer belong to no session of the database, and know what pages show of them.
    """

    row: PortalSession
    customer: Customer
    beside: tuple[Any, ...]


def visitor_of_cookie(
    connection: Connection,
    cookie: str,
    *,
    secret: str,
    beside: str = "",
    behind: str = "",
    known: Mapping[str, Any] | None = None,
) -> Visitor | None:
    """Whom a cookie stands for, also where the session is over; None when it stands for none.

    ``beside`` are columns, as SQL of ours, that are read with it, from what stands ``behind`` its tables; ``known`` are
    their parameters.
    """
    asked = {"cookie": hash_key(cookie, secret), **(known or {})}
    found = connection.execute(_visitor(beside, behind), asked).first()
    if found is None:
        return None
    of_session, of_customer = len(_OF_SESSION), len(_OF_SESSION) + len(_OF_CUSTOMER)
    row = PortalSession(**dict(zip(_OF_SESSION, found[:of_session], strict=True)))
    customer = Customer(**dict(zip(_OF_CUSTOMER, found[of_session:of_customer], strict=True)))
    return Visitor(row, customer, tuple(found[of_customer:]))


@cache
def _visitor(beside: str, behind: str) -> TextClause:
    """Made once: a statement that is built for each page costs more than it takes the database to answer it."""
    columns = [f"s.{name}" for name in _OF_SESSION] + [f"c.{name}" for name in _OF_CUSTOMER]
    read = ", ".join([*columns, beside] if beside else columns)
    source = f"portal_sessions AS s JOIN customers AS c ON c.id = s.customer_id {behind}"
    return text(f"SELECT {read} FROM {source} WHERE s.cookie_hash = :cookie")  # noqa: S608 names of ours


def session_of_code(session: Session, code: str, *, secret: str) -> PortalSession | None:
    """The session that a code opens or opened; None when there is none."""
    return session.scalars(select(PortalSession).where(PortalSession.code_hash == hash_key(code, secret))).first()
