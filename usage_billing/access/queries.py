"""Reading keys."""

from uuid import UUID

from sqlalchemy import func, select
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


def count_keys(session: Session) -> int:
    """How many keys are stored, expired and revoked ones included."""
    return session.scalar(select(func.count()).select_from(ApiKey)) or 0
