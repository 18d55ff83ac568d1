"""Issues, finds, rotates and revokes API keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.access.bounds import UNBOUND, Bounds
from usage_billing.access.keys import hash_key, make_key, prefix_of, same_key
from usage_billing.access.models import ApiKey
from usage_billing.access.principal import SCOPES, USAGE_WRITE, Principal
from usage_billing.access.queries import bound_sources, get_key
from usage_billing.access.rotation import Rotation
from usage_billing.access.stream_tokens import StreamToken, make_stream_token, read_stream_token
from usage_billing.core.changes import UNCHANGED, Unchanged, given
from usage_billing.core.errors import ConfigurationError, Conflict, InvalidInput, NotAuthenticated
from usage_billing.core.identifiers import MAXIMUM_KEY_LENGTH, MINIMUM_KEY_LENGTH, is_key, new_id

_LAST_USE_GRAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What a caller gives of a key. It holds until ``expires_at``; ``rate_limit`` is in requests a minute."""

    name: str
    scopes: Sequence[str]
    expires_at: datetime | None = None
    rate_limit: int | None = None
    bounds: Bounds = UNBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanges:
    """What a caller changes of a key; ``expires_at`` None lets it hold for ever, ``rate_limit`` None is the usual."""

    name: str | Unchanged = UNCHANGED
    expires_at: datetime | Unchanged | None = UNCHANGED
    rate_limit: int | Unchanged | None = UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key and its row. ``text`` is shown once and then forgotten; ``replaced`` is the row it follows, if any."""

    text: str
    row: ApiKey
    replaced: ApiKey | None = None


def issue_key(
    session: Session,
    *,
    name: str,
    scopes: Iterable[str],
    secret: str,
    expires_at: datetime | None = None,
    rate_limit: int | None = None,
    bounds: Bounds = UNBOUND,
    id: UUID | None = None,
) -> IssuedKey:
    """Make and store a key.

    Raises InvalidInput for a scope that does not exist, and for one beside usage:write if the key is bound.
    """
    _check_bounds(bounds, scopes)
    text = make_key()
    row = ApiKey(
        id=id or new_id(),
        prefix=prefix_of(text, secret),
        hash=hash_key(text, secret),
        name=name,
        scopes=_checked(scopes),
        expires_at=expires_at,
        rate_limit=rate_limit,
        source=bounds.source,
        usage_types=None if bounds.usage_types is None else sorted(bounds.usage_types),
        user_ids=None if bounds.user_ids is None else sorted(bounds.user_ids),
    )
    session.add(row)
    session.flush()
    session.refresh(row)
    return IssuedKey(text=text, row=row)


def ensure_key(session: Session, key: str, *, name: str, scopes: Iterable[str], secret: str) -> None:
    """Store a key that the configuration gives; does nothing when it is stored already, revoked or not.

    Raises ConfigurationError for a text that cannot be a key.
    """
    if not is_key(key):
        raise ConfigurationError(
            f"the key for {name} must have {MINIMUM_KEY_LENGTH} to {MAXIMUM_KEY_LENGTH} printable ASCII characters"
        )
    session.execute(
        insert(ApiKey)
        .values(prefix=prefix_of(key, secret), hash=hash_key(key, secret), name=name, scopes=_checked(scopes))
        .on_conflict_do_nothing(index_elements=["prefix"])
    )


def authenticate(session: Session, key: str, *, secret: str, now: datetime) -> Principal:
    """The service behind ``key``, or behind the token of a stream, which may record and nothing else.

    Raises NotAuthenticated. Stores when the key was used, to the minute.
    """
    wrong = NotAuthenticated("the API key does not hold", code="key_invalid")
    if len(key) > MAXIMUM_KEY_LENGTH:
        raise wrong
    token = read_stream_token(key)
    prefix = prefix_of(key, secret) if token is None else token.prefix
    row = session.scalars(select(ApiKey).where(ApiKey.prefix == prefix)).first()
    if row is None or not (same_key(key, row.hash, secret) if token is None else token.is_signed(row.hash, secret)):
        raise wrong
    if token is not None and token.expires_at <= now:
        raise NotAuthenticated("the session is over; make another", code="billing_meter_event_session_expired")
    if row.revoked_at is not None and row.revoked_at <= now:
        raise NotAuthenticated("the API key has been revoked", code="key_revoked")
    if row.expires_at is not None and row.expires_at <= now:
        raise NotAuthenticated("the API key has expired", code="key_expired")
    session.execute(
        update(ApiKey)
        .where(ApiKey.id == row.id, or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - _LAST_USE_GRAIN))
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )
    bounds = row.bounds
    return Principal(
        actor=actor_of(row),
        scopes=frozenset(row.scopes) if token is None else frozenset({USAGE_WRITE}),
        rate_limit=row.rate_limit,
        key_number=row.number,
        bounds=None if bounds == UNBOUND else bounds,
        foreign_sources=frozenset(bound_sources(session) - {bounds.source}),
    )


def open_stream(session: Session, principal: Principal, *, secret: str, now: datetime) -> StreamToken:
    """A token for the caller's key; raises InvalidInput for a caller without one."""
    row = session.scalars(select(ApiKey).where(ApiKey.number == principal.key_number)).first()
    if row is None:
        raise InvalidInput("a session is made with an API key, and not with a user's token")
    return make_stream_token(row.prefix, row.hash, secret=secret, now=now)


def actor_of(key: ApiKey) -> str:
    """How a key is named in the audit log, in logs and among the callers: ``key:PREFIX``."""
    return f"key:{key.prefix}"


def revoke_key(session: Session, key_id: UUID, *, now: datetime) -> ApiKey:
    """Make a key invalid from ``now`` on; revoking it twice keeps the first time. Raises NotFound."""
    row = get_key(session, key_id, lock=True)
    if row.revoked_at is None:
        row.revoked_at = now
        session.flush()
    return row


def change_key(session: Session, key_id: UUID, changes: KeyChanges, *, now: datetime) -> ApiKey:
    """Set what ``changes`` gives; raises NotFound, and Conflict with the code ``key_ended`` for one that has ended."""
    row = get_key(session, key_id, lock=True)
    if row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        raise Conflict(f"key {row.prefix} has ended", code="key_ended")
    for name, value in given(changes).items():
        setattr(row, name, value)
    session.flush()
    return row


def rotate_key(session: Session, key_id: UUID, *, secret: str, rotation: Rotation, now: datetime) -> IssuedKey:
    """Issue a successor with the same name, scopes and bounds. The old key stays valid for the overlap, then expires.

    Unless the rotation says otherwise, the successor holds from now on for as long as the old key was made to hold.
    Raises NotFound, and Conflict with the code ``key_ended``.
    """
    old = get_key(session, key_id, lock=True)
    if old.replaced_by is not None or old.revoked_at is not None or (old.expires_at and old.expires_at <= now):
        raise Conflict(f"key {old.prefix} was rotated or ended already", code="key_ended")
    expires_at = rotation.expires_at
    if expires_at is UNCHANGED:
        expires_at = old.expires_at and max(old.expires_at, now + (old.expires_at - old.created_at))
    end = now + rotation.overlap
    old.expires_at, old.replaced_by = min(end, old.expires_at or end), new_id()
    session.flush()  # first, because the two have one source
    issued = issue_key(
        session,
        name=old.name,
        scopes=old.scopes,
        secret=secret,
        expires_at=expires_at,
        rate_limit=old.rate_limit,
        bounds=old.bounds,
        id=old.replaced_by,
    )
    return replace(issued, replaced=old)


def check_source_is_free(session: Session, source: str | None, *, now: datetime) -> None:
    """Raises Conflict for a source that another key is bound to, also one that was rotated and still holds."""
    if source is None:
        return
    holds = or_(ApiKey.replaced_by.is_(None), ApiKey.expires_at > now)
    other = session.scalar(select(ApiKey.prefix).where(ApiKey.source == source, ApiKey.revoked_at.is_(None), holds))
    if other is not None:
        raise Conflict(f"the source {source} is that of key {other}; revoke it first", code="already_exists")


def _check_bounds(bounds: Bounds, scopes: Iterable[str]) -> None:
    if bounds != UNBOUND and set(scopes) != {USAGE_WRITE}:
        message = f"of a key that is bound may be {USAGE_WRITE} alone"
        raise InvalidInput.field("/scopes", message, code="contradiction")


def _checked(scopes: Iterable[str]) -> list[str]:
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown or not wanted:
        raise InvalidInput.field("/scopes", f"must be one or more of: {', '.join(SCOPES)}", code="unknown_scope")
    return wanted
