"""The grants that schedules and allowances make: those that have come and are not stored count like those that are."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.prepaid.burn_down import USUAL_PRIORITY
from usage_billing.schedules.models import Schedule
from usage_billing.schedules.queries import due_schedules, schedules_due
from usage_billing.subscriptions.models import SEAL
from usage_billing.wallets.models import OVERDRAFT, Grant, GrantCategory, GrantStatus, Wallet
from usage_billing.wallets.queries import wallets_of
from usage_billing.wallets.rolling import Place
from usage_billing.wallets.unused import closes_at, unused_due

_VERSION = 7  # of their ids
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_CAUSE = {"schedule_id": None, "rolls_from": None, "unused_of": None}
# The expression of an index.
_CUSTOMERS = text(f"""
    SELECT DISTINCT customer_id
    FROM subscriptions
    WHERE {SEAL} = :digest AND EXISTS (SELECT FROM usage_quotas WHERE rollover_periods IS NOT NULL)
""")  # noqa: S608


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
        **_NO_CAUSE,
        "category": schedule.category,
        "priority": schedule.priority,
        "usage_types": schedule.usage_types,
        "subscription_ids": schedule.subscription_ids,
        "amount": schedule.amount,
        "effective_at": at,
        "expires_at": expires,
        "closes_at": None if expires is None else expires + timedelta(seconds=schedule.grace_seconds),
        **_new_at(at),
    }


def unused_grants(session: Session, wallets: Sequence[Wallet], *, now: datetime) -> Iterator[dict[str, object]]:
    """The rows of what allowances left by ``now`` for these wallets and is not stored, the earliest of each first."""
    for wallet_id, unused in unused_due(session, wallets, now=now):
        yield {
            "id": _unused_id(unused.place, unused.begins),
            "wallet_id": wallet_id,
            **_NO_CAUSE,
            "unused_of": unused.place.subscription_id,
            "category": GrantCategory.ROLLOVER,
            "priority": USUAL_PRIORITY,
            "usage_types": [unused.place.usage_type_id],
            "subscription_ids": [unused.place.subscription_id],
            "amount": Decimal(0),
            "effective_at": unused.begins,
            "expires_at": unused.expires,
            "closes_at": closes_at(unused),
            **_new_at(unused.begins),
        }


def _new_at(at: datetime) -> dict[str, object]:
    return {
        "status": GrantStatus.ACTIVE,
        **dict.fromkeys(("cost", "posted", "expired", "taken_back", "refunded", "rolled_over"), Decimal(0)),
        "activated_at": at,
        "pending_until_paid": False,
        "starts_when_paid": False,
        "reset_at": None,
        "created_at": at,
    }


def grants_due(session: Session, wallets: Sequence[Wallet], *, now: datetime) -> list[Grant]:
    """The grants of these wallets that have come by ``now`` and are not stored; they belong to no session."""
    schedules = due_schedules(session, [wallet.id for wallet in wallets], now=now)
    rows = (row for schedule in schedules for row in unstored_grants(schedule, now=now))
    return [Grant(**row) for row in (*rows, *unused_grants(session, wallets, now=now))]


def wallet_of_grant(session: Session, grant_id: UUID, *, now: datetime) -> str:
    """The id of the wallet that a grant is in, which has come by ``now`` and may not be stored; raises NotFound."""
    there = session.get(Grant, grant_id)
    if there is not None and there.category != OVERDRAFT:
        return there.wallet_id
    if grant_id.version == _VERSION:
        # Its id has the millisecond of its occurrence.
        millis = min((grant_id.int >> 80) + 1, (now - _EPOCH) // timedelta(milliseconds=1) + 1)
        until = min(now, _EPOCH + timedelta(milliseconds=millis))
        for schedule in schedules_due(session, until=until):
            if any(row["id"] == grant_id for row in unstored_grants(schedule, now=until)):
                return schedule.wallet_id
        asked = {"digest": _seal_in(grant_id)}
        # Other ids of this version are random there, and what schedules make has no such bits but in few.
        customers = [] if grant_id.int >> 64 & 0xFFF else list(session.scalars(_CUSTOMERS, asked))
        wallets = wallets_of(session, customers) if customers else ()
        for row in unused_grants(session, wallets, now=now):
            if row["id"] == grant_id:
                return str(row["wallet_id"])
    raise NotFound(f"there is no grant {grant_id}")


def _grant_id(schedule_id: UUID, at: datetime, *, carries: bool = False) -> UUID:
    """A version 7 UUID of the occurrence's time, whose other bits are a hash of the schedule and the time.

    That of the grant that ``carries`` over is the lower one.
    """
    tail = int.from_bytes(sha256(schedule_id.bytes + _micros(at).to_bytes(16, signed=True)).digest()[:10])
    return _id_at(at, 0 if carries else tail >> 64 & 0xFFF | 1, tail & (1 << 62) - 1)


def _unused_id(place: Place, at: datetime) -> UUID:
    """A version 7 UUID of the period's end; its last 24 bits tell the subscription, so that a reader finds it by them.

    It comes before those of schedules, in the burn order too where they are alike.
    """
    named = f"{place.usage_type_id}/{_micros(at)}"
    tail = int.from_bytes(sha256(named.encode()).digest()[:5]) & (1 << 38) - 1
    return _id_at(at, 0, tail << 24 | int.from_bytes(sha256(place.subscription_id.encode()).digest()[:3]))


def _seal_in(grant_id: UUID) -> bytes:
    """The beginning of the hash of the subscription in the id of what its allowance left."""
    return (grant_id.int & (1 << 24) - 1).to_bytes(3)


def _id_at(at: datetime, first: int, tail: int) -> UUID:
    head = max(_micros(at) // 1000, 0) & (1 << 48) - 1
    return UUID(int=head << 80 | 7 << 76 | first << 64 | 2 << 62 | tail)


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
