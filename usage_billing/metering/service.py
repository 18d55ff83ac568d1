"""Writing usage: the one place that inserts recordings, duplicates and quarantined ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from psycopg import Connection
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.metering.models import QuarantinedUsage, UsageDuplicate
from usage_billing.metering.recording import Recording

_COPY = (
    "COPY usage (id, summary_id, ordinal, occurred_at, received_at, recorded_at, subscription_id, usage_type_id,"
    " source, idempotency_key, fingerprint, quantity, beyond_limit, metadata) FROM STDIN"
)
_REMARK = text(
    "WITH running AS ("
    " SELECT id, quantity, sum(quantity) OVER (ORDER BY ordinal) AS after FROM usage WHERE summary_id = :summary"
    "), marked AS ("
    " SELECT id, CASE WHEN CAST(:limit AS numeric) IS NULL THEN 0"
    " ELSE greatest(after - :limit, 0) - greatest(after - quantity - :limit, 0) END AS beyond FROM running"
    ") UPDATE usage AS u SET beyond_limit = m.beyond FROM marked AS m"
    " WHERE u.id = m.id AND u.beyond_limit <> m.beyond"
)
_COUNT_BEYOND = text("SELECT count(*) FROM usage WHERE summary_id = :summary AND beyond_limit > 0")


@dataclass(frozen=True, slots=True)
class Counted:
    """A recording with its place in the books."""

    recording: Recording
    fingerprint: bytes
    summary_id: int
    ordinal: int
    beyond_limit: Decimal


@dataclass(frozen=True, slots=True)
class Refused:
    """A recording that cannot be counted, why, and that in a sentence."""

    recording: Recording
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """A recording whose key and content are in the books already, as ``usage_id``."""

    recording: Recording
    usage_id: UUID


def insert_usage(session: Session, counted: Iterable[Counted], *, now: datetime) -> None:
    """Append recordings by COPY. A repeated key violates the unique constraint and fails the transaction."""
    connection: Connection[object] = session.connection().connection.driver_connection  # type: ignore[assignment]
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in counted:
            recording = row.recording
            copy.write_row(
                (
                    recording.id,
                    row.summary_id,
                    row.ordinal,
                    recording.occurred_at,
                    recording.received_at,
                    now,
                    recording.subscription_id,
                    recording.usage_type,
                    recording.source,
                    recording.idempotency_key,
                    row.fingerprint,
                    recording.quantity,
                    row.beyond_limit,
                    recording.metadata,
                )
            )


def insert_duplicates(session: Session, repeated: Sequence[Repeated]) -> None:
    """Remember acceptances that repeat a recording, so that their ids have an answer."""
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


def quarantine(session: Session, refused: Sequence[Refused]) -> None:
    """Keep recordings that cannot be counted, whole; one that is there already is left as it is."""
    if refused:
        session.execute(
            insert(QuarantinedUsage).on_conflict_do_nothing(),
            [
                {
                    "id": row.recording.id,
                    "reason": row.reason,
                    "detail": row.detail,
                    "payload": msgspec.to_builtins(to_payload(row.recording)),
                    "customer_id": row.recording.customer_id,
                    "subscription_id": row.recording.subscription_id,
                    "received_at": row.recording.received_at,
                }
                for row in refused
            ],
        )


def quarantine_broken(session: Session, *, id: UUID, data: bytes, detail: str, now: datetime) -> None:
    """Keep an inbox entry that is no recording at all; ``id`` is derived from the entry, so twice is once."""
    session.execute(
        insert(QuarantinedUsage).on_conflict_do_nothing(),
        {
            "id": id,
            "reason": "broken_payload",
            "detail": detail,
            "payload": {"raw": data[:16_384].decode("latin-1").replace("\x00", "\\0")},
            "received_at": now,
        },
    )


def remark(session: Session, summary_id: int, *, limit: Decimal | None) -> int:
    """Divide the recordings of a locked summary anew at ``limit``, in the order recorded.

    Returns how many recordings lie beyond it, at least in part.

    For the rare case that a quota came after the usage; its cost is that of the summary's recordings.
    """
    session.execute(_REMARK, {"summary": summary_id, "limit": limit})
    count: int = session.scalars(_COUNT_BEYOND, {"summary": summary_id}).one()
    return count


def to_payload(recording: Recording) -> dict[str, object]:
    """A recording as named fields, for people to read and for ``from_payload`` to replay."""
    return {name: getattr(recording, name) for name in recording.__struct_fields__}


def from_payload(payload: dict[str, object]) -> Recording:
    """Read ``to_payload`` back; raises msgspec.ValidationError for anything else."""
    missing = object()
    values = [payload.get(name, missing) for name in Recording.__struct_fields__]
    if missing in values:
        raise msgspec.ValidationError("the payload is no recording")
    return msgspec.convert(values, Recording)
