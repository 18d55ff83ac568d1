"""The grants that schedules make: those that have come and are not stored are counted like those that are."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.schedules.models import Schedule
from usage_billing.schedules.queries import due_schedules, schedules_due
from usage_billing.wallets.models import Grant, GrantCategory, GrantStatus

_VERSION = 7  # of their ids
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unstored_grants(schedule: Schedule, *, now: datetime) -> Iterator[dict[str, object]]:
    """The rows of the grants that have come by ``now`` and are not stored, the earliest first.

    Their ids follow from the schedule and the occurrence, so a reader names a grant as it will be stored. What is
    carried over from the occurrence before comes before its grant, in the burn order too where they are alike.
    """
    recurrence = schedule.recurrence
    for at in recurrence.due(schedule.next_at, now):
        before = recurrence.before(at)
        if schedule.rollover_periods is not None and before is not None:
            yield _row(schedule, at, recurrence.nth_after(at, schedule.rollover_periods)) | {
                "id": _grant_id(schedule.id, at, carries=True),
                "category": GrantCategory.ROLLOVER,
                "amount": Decimal(0),
                "rolls_from": _grant_id(schedule.id, before),
                "rollover_max": schedule.rollover_max,
                "rollover_percent": schedule.rollover_percent,
            }
        yield _row(schedule, at, recurrence.expiry(at)) | {"schedule_id": schedule.id}


def _row(schedule: Schedule, at: datetime, expires: datetime | None) -> dict[str, object]:
    return {
        "id": _grant_id(schedule.id, at),
        "wallet_id": schedule.wallet_id,
        "schedule_id": None,
        "rolls_from": None,
        "category": schedule.category,
        "status": GrantStatus.ACTIVE,
        "priority": schedule.priority,
        "usage_types": schedule.usage_types,
        "subscription_ids": schedule.subscription_ids,
        "amount": schedule.amount,
        "effective_at": at,
        "expires_at": expires,
        "closes_at": None if expires is None else expires + timedelta(seconds=schedule.grace_seconds),
        **dict.fromkeys(("cost", "posted", "expired", "taken_back", "refunded", "rolled_over"), Decimal(0)),
        "activated_at": at,
        "pending_until_paid": False,
        "starts_when_paid": False,
        "reset_at": None,
        "created_at": at,
    }


def grants_due(session: Session, wallet_ids: Collection[str], *, now: datetime) -> list[Grant]:
    """The grants of these wallets that have come by ``now`` and are not stored; they belong to no session."""
    schedules = due_schedules(session, wallet_ids, now=now)
    return [Grant(**row) for schedule in schedules for row in unstored_grants(schedule, now=now)]


def wallet_of_grant(session: Session, grant_id: UUID, *, now: datetime) -> str:
    """The id of the wallet that a grant is in, which has come by ``now`` and may not be stored; raises NotFound."""
    there = session.get(Grant, grant_id)
    if there is not None:
        return there.wallet_id
    if grant_id.version == _VERSION:
        # Its id has the millisecond of its occurrence.
        millis = min((grant_id.int >> 80) + 1, (now - _EPOCH) // timedelta(milliseconds=1) + 1)
        until = min(now, _EPOCH + timedelta(milliseconds=millis))
        for schedule in schedules_due(session, until=until):
            if any(row["id"] == grant_id for row in unstored_grants(schedule, now=until)):
                return schedule.wallet_id
    raise NotFound(f"there is no grant {grant_id}")


def _grant_id(schedule_id: UUID, at: datetime, *, carries: bool = False) -> UUID:
    """A version 7 UUID of the occurrence's time, whose other bits are a hash of the schedule and the time.

    That of the grant that ``carries`` over is the lower one.
    """
    micros = (at - _EPOCH) // timedelta(microseconds=1)
    tail = int.from_bytes(sha256(schedule_id.bytes + micros.to_bytes(16, signed=True)).digest()[:10])
    head = max(micros // 1000, 0) & (1 << 48) - 1
    first = 0 if carries else tail >> 64 & 0xFFF | 1
    return UUID(int=head << 80 | 7 << 76 | first << 64 | 2 << 62 | tail & (1 << 62) - 1)
