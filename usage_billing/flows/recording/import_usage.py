"""Records usage from a file, a batch of lines at a time. Each line counts once, however often the file is imported."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.decimals import plain
from usage_billing.flows.recording.record_usage import record_batch
from usage_billing.metering.recording import Recording

BATCH = 4000
"""Lines in one transaction: enough to pay for its statements, few enough that workers wait briefly for its locks."""

_encoder = msgspec.json.Encoder()
_VERSION_8, _VARIANT = 8 << 76, 2 << 62


@dataclass(frozen=True, slots=True)
class FileName:
    """Names a file by its content, whatever its path: ``digest`` is the content's SHA-256, 32 bytes."""

    digest: bytes

    def read_as(self, *options: str) -> "FileName":
        """The name of the same content when ``options`` change what its lines say; without any, this name."""
        if not options:
            return self
        return FileName(sha256(self.digest + json.dumps(options).encode()).digest())

    def key(self, line: int) -> str:
        """The idempotency key of line ``line`` (from 1) when the line has neither a key nor a timestamp."""
        return f"import:{self.digest.hex()[:32]}:{line}"

    def record_id(self, line: int) -> UUID:
        """The recording id of a line: the same in every import of the file, and next to that of the line before.

        Other ids hold milliseconds in their first 48 bits. This id uses the lower 40 of these bits, so it can still be
        read as a time.
        """
        return UUID(int=_first_id(self.digest) | line)


@lru_cache(maxsize=8)
def _first_id(digest: bytes) -> int:
    """The record id of line 0, as a number."""
    return int.from_bytes(digest[:5]) << 80 | _VERSION_8 | digest[5] << 64 | _VARIANT


def row_digest(recording: Recording) -> bytes:
    """16 bytes that are equal for rows of equal values, however they are spelled. They never change between versions:
    the key of a row that has none is made of them.
    """
    values = (
        recording.subscription_id,
        recording.source,
        recording.customer_id,
        recording.usage_type,
        plain(recording.quantity),
        recording.metadata,
        recording.occurred_at.isoformat(),
    )
    return _digest("row", *values)


def key_digest(recording: Recording) -> bytes:
    """16 bytes that are equal for recordings that may count only once together, by the keys that they carry."""
    return _digest("key", recording.subscription_id, recording.source, recording.key)


def row_key(digest: bytes, earlier: int) -> str:
    """The idempotency key of a row that has a timestamp and no key: ``earlier`` equal rows stood before it."""
    return f"import:row:{digest.hex()}:{earlier}"


def _digest(*values: str) -> bytes:
    return sha256(_encoder.encode(values)).digest()[:16]


@dataclass(slots=True)
class ImportOutcome:
    """How many lines were recorded, repeated usage (of an earlier import too), or went to quarantine so far."""

    recorded: int = 0
    duplicates: int = 0
    quarantined: int = 0

    @property
    def lines(self) -> int:
        """How many lines that was."""
        return self.recorded + self.duplicates + self.quarantined

    def add(self, other: "ImportOutcome") -> None:
        """Add the numbers of another batch."""
        self.recorded += other.recorded
        self.duplicates += other.duplicates
        self.quarantined += other.quarantined


def import_batch(
    session: Session,
    recordings: Sequence[Recording],
    *,
    name: FileName,
    actor: str,
    now: datetime,
    keys_are_new: bool = False,
) -> ImportOutcome:
    """Record lines of one file in the caller's transaction. A line that cannot be counted goes to quarantine.

    ``keys_are_new`` is that of ``record_batch``: with it, a key that is in the books raises IntegrityError.
    """
    outcome = record_batch(session, recordings, keys_are_new=keys_are_new)
    imported = ImportOutcome(
        recorded=outcome.recorded,
        duplicates=len(outcome.duplicates) + outcome.known,
        quarantined=len(outcome.quarantined),
    )
    if imported.recorded or imported.quarantined:
        note(
            session,
            actor=actor,
            action="usage.imported",
            subject=f"file:{name.digest.hex()}",
            at=now,
            firstId=str(recordings[0].id),
            recorded=imported.recorded,
            duplicates=imported.duplicates,
            quarantined=imported.quarantined,
        )
    return imported
