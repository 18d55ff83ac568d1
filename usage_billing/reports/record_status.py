"""What became of one accepted recording."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.access.models import ApiKey
from usage_billing.metering.models import QuarantinedUsage, Usage, UsageDuplicate, UsageVoid
from usage_billing.metering.recording import Recording
from usage_billing.subscriptions.models import Subscription


class RecordState(StrEnum):
    """What became of an accepted recording; an accepted one waits in the inbox."""

    ACCEPTED = "accepted"
    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStatus:
    """Where a recording stands; ``customer_id`` decides who may see it (None: no customer can)."""

    id: UUID
    status: RecordState
    customer_id: str | None
    received_at: datetime
    subscription_id: str | None = None
    usage_type: str | None = None
    quantity: Decimal | None = None
    within_limit: Decimal | None = None
    beyond_limit: Decimal | None = None
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    duplicate_of: UUID | None = None
    reason: str | None = None
    detail: str | None = None
    resolution: str | None = None
    voided_at: datetime | None = None
    recorded_by: UUID | None = None


def waiting_status(recording: Recording) -> RecordStatus:
    """The status of an accepted recording that still waits in the inbox."""
    return RecordStatus(
        id=recording.id,
        status=RecordState.ACCEPTED,
        customer_id=recording.customer_id or None,
        received_at=recording.received_at,
        subscription_id=None if recording.beside.whose else recording.subscription_id or None,
        usage_type=recording.usage_type or None,
        quantity=None if recording.beside.made else recording.quantity,
        occurred_at=recording.occurred_at,
    )


def recorded_status(session: Session, record_id: UUID) -> RecordStatus | None:
    """The status of the recording ``record_id`` in the books; None when the books do not have this id."""
    usage = session.get(Usage, record_id)
    if usage is not None:
        return _status_of(session, usage, id=record_id)
    duplicate = session.get(UsageDuplicate, record_id)
    if duplicate is not None:
        usage = session.get_one(Usage, duplicate.usage_id)
        return _status_of(session, usage, id=record_id, duplicate=duplicate)
    quarantined = session.get(QuarantinedUsage, record_id)
    if quarantined is None:
        return None
    return RecordStatus(
        id=record_id,
        status=RecordState.QUARANTINED,
        customer_id=quarantined.customer_id,
        received_at=quarantined.received_at,
        subscription_id=quarantined.subscription_id,
        reason=quarantined.reason,
        detail=quarantined.detail,
        resolution=quarantined.status,
    )


def _status_of(session: Session, usage: Usage, *, id: UUID, duplicate: UsageDuplicate | None = None) -> RecordStatus:
    """The status of a recording; of a duplicate it is that of the repeated recording, with its own time of receipt."""
    void = session.get(UsageVoid, usage.id) if duplicate is None else None
    status = RecordState.RECORDED if void is None else RecordState.VOIDED
    if duplicate is not None:
        status = RecordState.DUPLICATE
    owner = session.scalar(select(Subscription.customer_id).where(Subscription.id == usage.subscription_id))
    key = select(ApiKey.id).where(ApiKey.number == usage.recorded_by)
    return RecordStatus(
        id=id,
        status=status,
        customer_id=owner,
        received_at=usage.received_at if duplicate is None else duplicate.received_at,
        subscription_id=usage.subscription_id,
        usage_type=usage.usage_type_id,
        quantity=usage.quantity,
        within_limit=usage.within_limit if void is None else Decimal(0),
        beyond_limit=usage.beyond_limit,
        occurred_at=usage.occurred_at,
        recorded_at=usage.recorded_at,
        duplicate_of=None if duplicate is None else usage.id,
        reason=None if void is None else void.reason,
        voided_at=None if void is None else void.voided_at,
        recorded_by=session.scalar(key) if duplicate is None else None,
    )
