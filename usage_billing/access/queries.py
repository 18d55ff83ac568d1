"""Reading keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import Session

from usage_billing.access.models import ApiKey
from usage_billing.core.errors import NotFound


def get_key(session: Session, key_id: UUID, *, lock: bool = False) -> ApiKey:
    """The key with this id, its row locked with ``lock``. Raises NotFound."""
    statement = select(ApiKey).where(ApiKey.id == key_id)
    found = session.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        raise NotFound(f"there is no key {key_id}")
    return found


def key_id_of_number(session: Session, number: int) -> UUID | None:
    """The id of the key that has this number in the books; None when there is none."""
    return session.scalar(select(ApiKey.id).where(ApiKey.number == number))


def bound_sources(session: Session) -> set[str]:
    """The sources that keys are bound to, of those that were not revoked; a rotated key's is its successor's."""
    statement = select(ApiKey.source).where(ApiKey.source.is_not(None), ApiKey.revoked_at.is_(None))
    return {source for source in session.scalars(statement) if source is not None}


def count_keys(session: Session) -> int:
    """How many keys are stored, expired and revoked ones included."""
    return session.scalar(select(func.count()).select_from(ApiKey)) or 0


def keys_where(*, now: datetime, scope: str | None = None, ended: bool | None = None) -> Select[ApiKey]:
    """The statement for a list of keys that have ``scope``; ``ended``: whether revoked or expired by ``now``."""
    statement = select(ApiKey)
    if scope is not None:
        statement = statement.where(ApiKey.scopes.any_() == scope)
    if ended is None:
        return statement
    over = or_(ApiKey.revoked_at.is_not(None), and_(ApiKey.expires_at.is_not(None), ApiKey.expires_at <= now))
    return statement.where(over if ended else ~over)
