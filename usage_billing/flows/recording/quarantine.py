"""What an admin decides about a recording in quarantine: count it after all, or discard it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict, NotFound
from usage_billing.core.limits import MAX_ACTOR
from usage_billing.db.locks import lock_shards
from usage_billing.flows.recording.record_usage import ITS_OWN_FAULT, count
from usage_billing.flows.recording.whose import find_subscriptions, shards_of
from usage_billing.metering.models import QuarantinedUsage
from usage_billing.metering.recording import Recording
from usage_billing.metering.service import from_payload
from usage_billing.metering.states import QuarantineStatus
from usage_billing.outbox.service import Fact, tell
from usage_billing.wire.event import RESOLVED_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show

_UNTAKEN = (
    "it still cannot be counted: the books do not take what it says; record it again from where it came with what it"
    " should say, then discard this one"
)


class ReplayOutcome(StrEnum):
    """What a replay made of a quarantined recording."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Replay:
    """A quarantined recording that was counted, and what became of it."""

    row: QuarantinedUsage
    outcome: ReplayOutcome


def replay(session: Session, quarantined_id: UUID, *, actor: str, now: datetime) -> Replay:
    """Count a quarantined recording now that the reason may be gone; it is never counted twice.

    Raises NotFound; Conflict with the code ``already_resolved``, ``broken_payload``, or ``still_refused`` when the
    reason is not gone. A failed replay changes nothing.
    """
    placed = find_subscriptions(session, [_recording(_find(session, quarantined_id))])
    # Every writer of usage locks the shard before any row.
    locked_at = lock_shards(session, shards_of([*placed.recordings, *(row.recording for row in placed.refused)]))
    row = _lock_open(session, quarantined_id)
    try:
        outcome = count(session, placed.recordings, now=locked_at, beside=placed.beside)
    except ITS_OWN_FAULT as error:
        raise Conflict(_UNTAKEN, code="still_refused") from error
    for refused in (*placed.refused, *outcome.quarantined):
        raise Conflict(f"it still cannot be counted: {refused.detail} ({refused.reason})", code="still_refused")
    became = ReplayOutcome.RECORDED if outcome.recorded else ReplayOutcome.DUPLICATE
    _resolve(session, row, status=QuarantineStatus.REPLAYED, actor=actor, now=now)
    _tell(session, row, EventType.RECORDING_REPLAYED)
    _note(session, row, action="quarantine.replayed", actor=actor, now=now, outcome=became)
    return Replay(row=row, outcome=became)


def discard(session: Session, quarantined_id: UUID, *, actor: str, now: datetime) -> QuarantinedUsage:
    """Decide that a quarantined recording is never counted; it stays readable.

    Raises NotFound, and Conflict with the code ``already_resolved``.
    """
    row = _lock_open(session, quarantined_id)
    _resolve(session, row, status=QuarantineStatus.DISCARDED, actor=actor, now=now)
    _tell(session, row, EventType.RECORDING_DISCARDED)
    _note(session, row, action="quarantine.discarded", actor=actor, now=now)
    return row


def _find(session: Session, quarantined_id: UUID) -> QuarantinedUsage:
    row = session.get(QuarantinedUsage, quarantined_id)
    if row is None:
        raise NotFound(f"there is nothing quarantined as {quarantined_id}")
    _check_open(row)
    return row


def _lock_open(session: Session, quarantined_id: UUID) -> QuarantinedUsage:
    row = session.scalars(
        select(QuarantinedUsage)
        .where(QuarantinedUsage.id == quarantined_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if row is None:
        raise NotFound(f"there is nothing quarantined as {quarantined_id}")
    _check_open(row)
    return row


def _check_open(row: QuarantinedUsage) -> None:
    if row.status != QuarantineStatus.OPEN:
        raise Conflict(f"{row.id} was {row.status} already", code="already_resolved")


def _recording(row: QuarantinedUsage) -> Recording:
    try:
        return from_payload(row.payload)
    except msgspec.ValidationError as error:
        raise Conflict(
            f"{row.id} is no readable recording and cannot be replayed: record it again from where it came, then"
            " discard this one",
            code="broken_payload",
        ) from error


def _resolve(session: Session, row: QuarantinedUsage, *, status: QuarantineStatus, actor: str, now: datetime) -> None:
    row.status = status
    row.resolved_at = now
    row.resolved_by = actor[:MAX_ACTOR]
    session.flush()


def _tell(session: Session, row: QuarantinedUsage, topic: EventType) -> None:
    told = show(RESOLVED_TOLD, {"record_id": row.id, "reason": row.reason})
    tell(session, [Fact(topic, f"{topic}:{row.id}", told, row.customer_id)])


def _note(session: Session, row: QuarantinedUsage, *, action: str, actor: str, now: datetime, **detail: str) -> None:
    note(session, actor=actor, action=action, subject=f"record:{row.id}", at=now, reason=row.reason, **detail)
