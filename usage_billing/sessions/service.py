"""Makes, opens and ends the sessions of customers on their pages. Neither a code nor a cookie is ever stored."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from usage_billing.access.keys import hash_key
from usage_billing.core.errors import NotAuthenticated
from usage_billing.sessions.models import PortalSession

CODE_HOLDS = timedelta(seconds=60)
DEFAULT_SECONDS, MOST_SECONDS = 3600, 86_400
KEPT = timedelta(days=1)
"""How long a session that is over is kept: its page can still say where a new one is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPortalSession:
    """A session as it is asked for: whose, for how many seconds, and what its pages look like.

    ``return_url`` leads from the pages back to the operator's service, ``refresh_url`` to where that makes another
    session.
    """

    customer_id: str
    expires_in_seconds: int = DEFAULT_SECONDS
    pages: Sequence[str] | None = None
    locale: str | None = None
    timezone: str | None = None
    return_url: str | None = None
    refresh_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedSession:
    """A session, and the code that opens it once."""

    row: PortalSession
    code: str


def add_session(session: Session, new: NewPortalSession, *, secret: str, by: str, now: datetime) -> IssuedSession:
    """Store a session for a customer that is there."""
    code = secrets.token_urlsafe(32)
    row = PortalSession(
        customer_id=new.customer_id,
        code_hash=hash_key(code, secret),
        code_until=now + CODE_HOLDS,
        expires_at=now + timedelta(seconds=new.expires_in_seconds),
        pages=None if new.pages is None else list(new.pages),
        locale=new.locale,
        timezone=new.timezone,
        return_url=new.return_url,
        refresh_url=new.refresh_url,
        made_by=by,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return IssuedSession(row=row, code=code)


def open_session(session: Session, code: str, *, secret: str, now: datetime) -> str:
    """Use a code up; returns the cookie that stands for the session from now on.

    Raises NotAuthenticated for a code that was used, is too old, or never was one. Of two that open it at once, the
    database admits one.
    """
    cookie = secrets.token_urlsafe(32)
    done = session.execute(
        update(PortalSession)
        .where(
            PortalSession.code_hash == hash_key(code, secret),
            PortalSession.opened_at.is_(None),
            PortalSession.ended_at.is_(None),
            PortalSession.code_until > now,
        )
        .values(opened_at=now, cookie_hash=hash_key(cookie, secret))
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise NotAuthenticated("the link was used already, or is too old", code="link_used")
    return cookie


def end_session(session: Session, row: PortalSession, *, now: datetime) -> None:
    """End a session from ``now`` on."""
    row.ended_at = now
    session.flush()


def prune_sessions(session: Session, *, now: datetime) -> int:
    """Forget the sessions that are over for longer than a day; returns how many."""
    done = session.execute(delete(PortalSession).where(PortalSession.expires_at <= now - KEPT))
    return int(done.rowcount)  # type: ignore[attr-defined]
