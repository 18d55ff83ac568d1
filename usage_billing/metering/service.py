"""Writes usage: the one place that inserts recordings, duplicates and quarantined recordings."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.core.clock import as_text
from usage_billing.core.decimals import plain
from usage_billing.core.identifiers import is_identifier
from usage_billing.db.bulk import copying
from usage_billing.metering.models import QuarantinedUsage, Usage, UsageDuplicate, UsageVoid
from usage_billing.metering.recording import TO_BE_MADE, Recording
from usage_billing.metering.states import QuarantineReason
from usage_billing.outbox.service import Fact, tell
from usage_billing.wire.event import QUARANTINE_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show

_COPY = """\
COPY usage (
    id, summary_id, ordinal, occurred_at, received_at, recorded_at, subscription_id, usage_type_id, source,
    idempotency_key, fingerprint, quantity, beyond_limit, metadata, recorded_by
) FROM STDIN
"""
_COPY_WITH_MADE = _COPY.replace("recorded_by", "recorded_by, made")


class CountedRecording(msgspec.Struct, frozen=True, gc=False):
    """A recording with its place in the books."""

    recording: Recording
    summary_id: int
    ordinal: int
    beyond_limit: Decimal


@dataclass(frozen=True, slots=True)
class RefusedRecording:
    """A recording that cannot be counted: ``reason`` is for programs, ``detail`` a sentence for people."""

    recording: Recording
    reason: QuarantineReason
    detail: str


@dataclass(frozen=True, slots=True)
class RepeatedRecording:
    """A recording that repeats the key and the content of the usage ``usage_id``."""

    recording: Recording
    usage_id: UUID


def insert_usage(
    session: Session, counted: Iterable[CountedRecording], *, now: datetime, any_made: bool = False
) -> int:
    """Append recordings by COPY; returns how many. Raises IntegrityError for a key that is in the books already.

    ``counted`` may be a generator: each recording is taken from it while PostgreSQL writes the earlier ones.
    ``any_made`` says that the quantity of some of them may have been made.
    """
    number = 0
    with copying(session, _COPY_WITH_MADE if any_made else _COPY) as copy:
        for row in _rows(counted, now, any_made=any_made):
            copy.write_row(row)
            number += 1
    return number


def _rows(
    counted: Iterable[CountedRecording], now: datetime, *, any_made: bool
) -> Iterator[tuple[str | int | None, ...]]:
    """The rows to copy, as texts and integers: the driver writes these at a third of the cost of other types."""
    recorded_at = as_text(now)
    for row in counted:
        recording = row.recording
        copied = (
            recording.id.hex,
            row.summary_id,
            row.ordinal,
            as_text(recording.occurred_at),
            as_text(recording.received_at),
            recorded_at,
            recording.subscription_id,
            recording.usage_type,
            recording.source,
            recording.idempotency_key,
            f"\\x{recording.fingerprint().hex()}",
            plain(recording.quantity),
            plain(row.beyond_limit),
            recording.metadata,
            recording.beside.by or None,
        )
        yield (*copied, "t" if recording.beside.made else None) if any_made else copied


def insert_duplicates(session: Session, repeated: Sequence[RepeatedRecording]) -> None:
    """Store acceptances that repeat a recording, so that the API can answer for their ids."""
    if repeated:
        session.execute(
            insert(UsageDuplicate).on_conflict_do_nothing(),
            [
                {
                    "id": row.recording.id,
                    "usage_id": row.usage_id,
                    "received_at": row.recording.received_at,
                }
                for row in repeated
            ],
        )


def quarantine(session: Session, refused: Sequence[RefusedRecording]) -> None:
    """Store recordings that cannot be counted, whole. One that is in quarantine already is left as it is.

    This never fails because of a recording's content: such a recording would be read from the inbox again for ever, and
    would hold up the recordings behind it.
    """
    if refused:
        session.execute(
            insert(QuarantinedUsage).on_conflict_do_nothing(),
            [
                {
                    "id": row.recording.id,
                    "reason": row.reason,
                    "detail": _storable(row.detail),
                    "payload": _storable(msgspec.to_builtins(to_payload(row.recording))),
                    "customer_id": _name(row.recording.customer_id),
                    "subscription_id": _name(row.recording.subscription_id),
                    "received_at": row.recording.received_at,
                }
                for row in refused
            ],
        )
        tell(session, _quarantined(refused))


def _quarantined(refused: Sequence[RefusedRecording]) -> list[Fact]:
    """One fact for each reason in a batch, with a count; it is named after the first recording, so twice tells once."""
    by_reason: dict[str, list[RefusedRecording]] = {}
    for row in refused:
        by_reason.setdefault(row.reason, []).append(row)
    return [_told(rows[0].recording.id, reason, count=len(rows)) for reason, rows in by_reason.items()]


def _told(id: UUID, reason: str, *, count: int) -> Fact:
    topic = EventType.RECORDING_QUARANTINED
    return Fact(topic, f"{topic}:{id}", show(QUARANTINE_TOLD, {"reason": reason, "count": count}))


def _name(text: str) -> str | None:
    """``text`` if it is an identifier, else None: no customer and no subscription has such a name."""
    return text if is_identifier(text) else None


def _storable(value: Any) -> Any:
    """``value`` with what PostgreSQL cannot store escaped: the character NUL, and halves of a surrogate pair."""
    if isinstance(value, dict):
        return {name: _storable(inner) for name, inner in value.items()}
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()


def quarantine_broken(session: Session, *, id: UUID, data: bytes, detail: str, now: datetime) -> None:
    """Store an inbox entry that cannot be decoded. ``id`` is derived from the entry, so twice stores one row."""
    session.execute(
        insert(QuarantinedUsage).on_conflict_do_nothing(),
        {
            "id": id,
            "reason": QuarantineReason.BROKEN_PAYLOAD,
            "detail": _storable(detail),
            "payload": {"raw": _storable(data[:16_384].decode("latin-1"))},
            "received_at": now,
        },
    )
    reason = QuarantineReason.BROKEN_PAYLOAD
    tell(session, [_told(id, reason, count=1)])


def add_void(
    session: Session, usage: Usage, *, ordinal: int, reason: str, actor: str, now: datetime
) -> UsageVoid | None:
    """Take a recording back, as void number ``ordinal`` of its locked summary; None when it was taken back before."""
    return session.scalars(
        insert(UsageVoid)
        .values(
            usage_id=usage.id,
            summary_id=usage.summary_id,
            ordinal=ordinal,
            voided_at=now,
            voided_by=actor,
            reason=reason,
        )
        .on_conflict_do_nothing(index_elements=["usage_id"])
        .returning(UsageVoid)
    ).first()


def to_payload(recording: Recording) -> dict[str, object]:
    """A recording as named fields: people read them, and ``from_payload`` makes a recording of them again."""
    return {name: getattr(recording, name) for name in recording.__struct_fields__}


def from_payload(payload: dict[str, object]) -> Recording:
    """The recording that ``to_payload`` wrote as ``payload``; raises msgspec.ValidationError for another payload."""
    missing = object()
    since: dict[str, object] = {"beside": {}}  # payloads of earlier versions have none
    values = [payload.get(name, since.get(name, missing)) for name in Recording.__struct_fields__]
    if missing in values:
        raise msgspec.ValidationError("the payload is no recording")
    found = msgspec.convert(values, Recording)
    if found.quantity == TO_BE_MADE and not found.beside.made:  # kept by a build that does not know ``made``
        found = replace(found, beside=replace(found.beside, made=True))
    names_one = not found.customer_id and found.subscription_id and not found.beside.unread
    if names_one and not found.beside.whose:  # kept by a build that does not know ``whose``
        found = replace(found, beside=replace(found.beside, whose=found.subscription_id))
    return found
