"""Requests that came with a key of their own: the first answer is kept for a day and given again.

The row is written in the transaction of what the request does, so there is an answer exactly when there is an effect.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.access.models import AdminRequest
from usage_billing.access.sealing import seal, unseal
from usage_billing.core.errors import Conflict
from usage_billing.db.locks import try_lock_request

KEPT = timedelta(hours=24)
"""For so long a key stands for its first request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAnswer:
    """An answer as it goes out: its status, its media type and its bytes."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedRequest:
    """A request by its ``credential`` and ``key``; ``digest`` stands for its method, address and body."""

    credential: str
    key: str
    digest: bytes

    @classmethod
    def of(cls, *, credential: str, key: str, asked: bytes) -> "KeyedRequest":
        """The request whose method, address and body are ``asked``."""
        return cls(credential=credential, key=key, digest=sha256(asked).digest())


def is_alone(session: Session, request: KeyedRequest) -> bool:
    """Become the only one who does what the key stands for until the transaction ends; False if another does."""
    return try_lock_request(session, f"{request.credential}\n{request.key}")


def answer_given(session: Session, request: KeyedRequest, *, secret: str, now: datetime) -> AdminAnswer | None:
    """The answer that the key was given within the last day; None when it was given none.

    An answer with a secret is given once more and then forgotten. Raises Conflict when that was done, and when the
    key was used for another request.
    """
    row = session.get(AdminRequest, (request.credential, request.key), with_for_update=True)
    if row is None or row.created_at <= now - KEPT:
        return None
    if row.digest != request.digest:
        message = "the Idempotency-Key was used for another request; take a new one"
        raise Conflict(message, code="idempotency_key_reused")
    body = row.body
    if row.sealed:
        body = None if body is None else unseal(body, secret)
        row.body = None
        session.flush()
    if body is None:
        message = "it was done, and the secret in its answer was given twice; make another"
        raise Conflict(message, code="secret_already_given")
    return AdminAnswer(status=row.status, content_type=row.content_type, body=body)


def keep_answer(
    session: Session, request: KeyedRequest, answer: AdminAnswer, *, now: datetime, sealed_under: str | None = None
) -> None:
    """Remember ``answer``, in the place of one that is older than a day; ``sealed_under`` a secret if it holds one."""
    values = {
        "digest": request.digest,
        "status": answer.status,
        "content_type": answer.content_type,
        "body": answer.body if sealed_under is None else seal(answer.body, sealed_under),
        "sealed": sealed_under is not None,
        "created_at": now,
    }
    statement = insert(AdminRequest).values(credential=request.credential, key=request.key, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["credential", "key"], set_=values))


def prune_requests(session: Session, *, now: datetime) -> int:
    """Forget the answers that are older than a day; returns how many."""
    done = session.execute(delete(AdminRequest).where(AdminRequest.created_at <= now - KEPT))
    return int(done.rowcount)  # type: ignore[attr-defined]
