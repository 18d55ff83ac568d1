"""Opens and ends the sessions of operators on the admin pages. Neither a code nor a cookie is ever stored."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from usage_billing.access.keys import hash_key
from usage_billing.access.queries import get_key
from usage_billing.core.errors import NotAuthenticated
from usage_billing.sessions.models import OperatorSession
from usage_billing.sessions.service import CODE_HOLDS, KEPT

HOLDS = timedelta(hours=12)
"""An operator's session ends after so long, however much it is used."""

# How much later the last use may be than what is stored of it: a page that is looked at writes once a minute.
_GRAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A session, and the cookie that stands for it."""

    row: OperatorSession
    cookie: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorLink:
    """A session that is not opened yet, and the code that opens it once."""

    row: OperatorSession
    code: str


def open_by_credential(
    session: Session, actor: str, *, key_id: UUID | None, secret: str, now: datetime
) -> OpenedSession:
    """Store a session of ``actor``, whose credential was looked at; ``key_id`` is its key, if it came with one."""
    cookie = secrets.token_urlsafe(32)
    row = OperatorSession(
        actor=actor,
        key_id=key_id,
        cookie_hash=hash_key(cookie, secret),
        opened_at=now,
        seen_at=now,
        expires_at=now + HOLDS,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return OpenedSession(row=row, cookie=cookie)


def add_link(session: Session, actor: str, *, secret: str, now: datetime) -> OperatorLink:
    """Store a session of ``actor`` that a code opens."""
    code = secrets.token_urlsafe(32)
    row = OperatorSession(
        actor=actor,
        code_hash=hash_key(code, secret),
        code_until=now + CODE_HOLDS,
        expires_at=now + HOLDS,
        created_at=now,
    )
    session.add(row)
    session.flush()
    return OperatorLink(row=row, code=code)


def open_by_code(session: Session, code: str, *, secret: str, now: datetime) -> OpenedSession:
    """Use a code up.

    Raises NotAuthenticated for a code that was used, is too old, or never was one. Of two that open it at once, the
    database admits one.
    """
    cookie = secrets.token_urlsafe(32)
    row = session.scalars(
        update(OperatorSession)
        .where(
            OperatorSession.code_hash == hash_key(code, secret),
            OperatorSession.opened_at.is_(None),
            OperatorSession.ended_at.is_(None),
            OperatorSession.code_until > now,
        )
        .values(opened_at=now, seen_at=now, cookie_hash=hash_key(cookie, secret))
        .returning(OperatorSession)
    ).first()
    if row is None:
        raise NotAuthenticated("the link was used already, or is too old", code="link_used")
    return OpenedSession(row=row, cookie=cookie)


def operator_of_cookie(session: Session, cookie: str, *, secret: str, now: datetime) -> OperatorSession | None:
    """The session that a cookie stands for, if it holds and its key does; None otherwise."""
    statement = select(OperatorSession).where(OperatorSession.cookie_hash == hash_key(cookie, secret))
    row = session.scalars(statement).first()
    if row is None or not row.holds(now):
        return None
    if row.key_id is not None:
        key = get_key(session, row.key_id)
        if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            return None
    return row


def is_worth_noting(row: OperatorSession, *, now: datetime) -> bool:
    """Whether the session was used long enough after what is stored of it."""
    return row.seen_at is None or now - row.seen_at >= _GRAIN


def note_use(session: Session, session_id: UUID, *, now: datetime) -> None:
    """Store that a session was used ``now``: it is idle from then on."""
    session.execute(update(OperatorSession).where(OperatorSession.id == session_id).values(seen_at=now))


def end_operator_session(session: Session, session_id: UUID, *, now: datetime) -> bool:
    """End a session from ``now`` on; returns whether it had not ended before."""
    ours = (OperatorSession.id == session_id, OperatorSession.ended_at.is_(None))
    done = session.execute(update(OperatorSession).where(*ours).values(ended_at=now))
    return bool(done.rowcount)  # type: ignore[attr-defined]


def prune_operator_sessions(session: Session, *, now: datetime) -> int:
    """Forget the sessions that are over for longer than a day; returns how many."""
    done = session.execute(delete(OperatorSession).where(OperatorSession.expires_at <= now - KEPT))
    return int(done.rowcount)  # type: ignore[attr-defined]
