"""Issues, rotates and revokes API keys, with an audit entry for each; no entry ever holds a key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.access import service
from usage_billing.access.models import ApiKey
from usage_billing.access.rotation import USUAL_ROTATION, Rotation
from usage_billing.access.service import IssuedKey, KeyChanges, NewKey
from usage_billing.audit.service import note
from usage_billing.core.changes import Unchanged, given
from usage_billing.core.errors import InvalidInput


def create_key(session: Session, new: NewKey, *, secret: str, actor: str, now: datetime) -> IssuedKey:
    """Issue a key.

    Raises InvalidInput for an unknown scope, or an ``expires_at`` that is not in the future; Conflict for a source that
    another key is bound to.
    """
    _check_future(new.expires_at, now)
    service.check_source_is_free(session, new.bounds.source, now=now)
    issued = service.issue_key(
        session,
        name=new.name,
        scopes=new.scopes,
        secret=secret,
        expires_at=new.expires_at,
        rate_limit=new.rate_limit,
        bounds=new.bounds,
    )
    _note(session, issued.row, actor=actor, action="key.created", now=now)
    return issued


def rotate_key(
    session: Session, key_id: UUID, *, secret: str, actor: str, now: datetime, rotation: Rotation = USUAL_ROTATION
) -> IssuedKey:
    """Issue a key's successor; both are valid for a while.

    Raises NotFound; Conflict for a key that has ended; InvalidInput for an ``expires_at`` that is not in the future.
    """
    _check_future(rotation.expires_at, now)
    issued = service.rotate_key(session, key_id, secret=secret, rotation=rotation, now=now)
    note(
        session,
        actor=actor,
        action="key.rotated",
        subject=f"key:{key_id}",
        at=now,
        successor=str(issued.row.id),
        overlapSeconds=int(rotation.overlap.total_seconds()),
    )
    return issued


def change_key(session: Session, key_id: UUID, changes: KeyChanges, *, actor: str, now: datetime) -> ApiKey:
    """Set what ``changes`` gives.

    Raises NotFound; Conflict for a key that has ended; InvalidInput for an ``expires_at`` that is not in the future.
    """
    _check_future(changes.expires_at, now)
    row = service.change_key(session, key_id, changes, now=now)
    note(session, actor=actor, action="key.changed", subject=f"key:{key_id}", at=now, fields=sorted(given(changes)))
    return row


def revoke_key(session: Session, key_id: UUID, *, actor: str, now: datetime) -> ApiKey:
    """Make a key invalid from ``now`` on; revoking it twice changes nothing. Raises NotFound."""
    row = service.revoke_key(session, key_id, now=now)
    if row.revoked_at == now:
        _note(session, row, actor=actor, action="key.revoked", now=now)
    return row


def _check_future(expires_at: datetime | Unchanged | None, now: datetime) -> None:
    if isinstance(expires_at, datetime) and expires_at <= now:
        raise InvalidInput.field("/expiresAt", "must be in the future", code="out_of_range")


def _note(session: Session, row: ApiKey, *, actor: str, action: str, now: datetime) -> None:
    note(
        session,
        actor=actor,
        action=action,
        subject=f"key:{row.id}",
        at=now,
        prefix=row.prefix,
        name=row.name,
        scopes=list(row.scopes),
    )
