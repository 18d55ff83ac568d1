"""Reads the lines of a file that are as most are, in a part of the time that ``parse_recording`` takes.

It is to files what ``metering.usual`` is to requests, and remembers what many lines share. It gives exactly what
``parse_recording`` gives, or None: for a line that is wrong, or right in an unusual way. Then the line is read field by
field, and that reading says what is wrong.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter

import msgspec

from usage_billing.core.identifiers import is_identifier, kept_key
from usage_billing.flows.recording.import_usage import FileName
from usage_billing.metering.metadata import EMPTY, canonical_once
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import EARLIEST, FIELDS, MAX_AHEAD, read_quantity

# Where the digit behind the microseconds stands, in 2026-01-31T12:00:00.123456. Such a time is cut, which is unusual.
_FINER = 26

# What many lines share is checked once for all of them.
_is_identifier = lru_cache(maxsize=1 << 16)(is_identifier)
_kept_source = lru_cache(maxsize=1 << 10)(kept_key)
_quantity: Callable[[bytes], Decimal] = lru_cache(maxsize=1 << 12)(read_quantity)

Cells = tuple[str, str, str, str, str, str, str, str]
"""The cells of one record in the order of ``FIELDS``, "" where there is none."""


class _Fields(msgspec.Struct, forbid_unknown_fields=True, rename="camel", gc=False):
    """A line of JSON. Metadata of no bytes are none; a member that is null is seen as none too."""

    user_id: str
    subscription_id: str
    usage_type: str
    quantity: msgspec.Raw
    metadata: msgspec.Raw = msgspec.Raw(b"")
    timestamp: str | None = None
    idempotency_key: str | None = None
    source: str | None = None


_fields = msgspec.json.Decoder(_Fields)


def picker(columns: Sequence[str]) -> Callable[[Sequence[str]], Cells]:
    """Takes ``Cells`` from a row under ``columns`` to which one cell, "", was added at its end."""
    places = {name: place for place, name in enumerate(columns) if name}
    return itemgetter(*(places.get(name, len(columns)) for name in FIELDS))


class QuickReader:
    """Reads lines of the file called ``name`` at ``now``. ``source`` is that of the lines that name none."""

    def __init__(self, name: FileName, now: datetime, source: str) -> None:
        self._id, self._now, self._source = name.record_id, now, source
        self._latest = now + MAX_AHEAD

    def of_cells(self, number: int, cells: Cells) -> Recording | None:
        """The recording of a line of CSV."""
        customer_id, subscription_id, usage_type, quantity, metadata, timestamp, key, source = cells
        try:
            return self._recording(
                number,
                names=(customer_id, subscription_id, usage_type),
                quantity=quantity.encode(),
                metadata=metadata.encode(),
                timestamp=timestamp or None,
                key=key or None,
                source=source or None,
            )
        except (msgspec.MsgspecError, ValueError, OverflowError):
            return None

    def of_json(self, number: int, data: bytes) -> Recording | None:
        """The recording of a line of JSON."""
        try:
            found = _fields.decode(data)
            metadata = bytes(found.metadata)
            if not _has_names_once(data, found, metadata):
                return None
            return self._recording(
                number,
                names=(found.user_id, found.subscription_id, found.usage_type),
                quantity=bytes(found.quantity),
                metadata=metadata,
                timestamp=found.timestamp,
                key=found.idempotency_key,
                source=found.source,
            )
        except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
            return None

    def _recording(
        self,
        number: int,
        *,
        names: tuple[str, str, str],
        quantity: bytes,
        metadata: bytes,
        timestamp: str | None,
        key: str | None,
        source: str | None,
    ) -> Recording | None:
        """Raises ValueError, OverflowError or msgspec's errors where a text is not as it should be."""
        customer_id, subscription_id, usage_type = names
        if not (_is_identifier(customer_id) and _is_identifier(subscription_id) and _is_identifier(usage_type)):
            return None
        occurred_at = self._now if timestamp is None else self._instant(timestamp)
        kept = "" if key is None else kept_key(key)
        kept_source = self._source if source is None else _kept_source(source)
        if occurred_at is None or kept is None or kept_source is None:
            return None
        return Recording(
            id=self._id(number),
            customer_id=customer_id,
            subscription_id=subscription_id,
            usage_type=usage_type,
            quantity=_quantity(quantity),
            metadata=canonical_once(metadata) if metadata else EMPTY,
            occurred_at=occurred_at,
            received_at=self._now,
            timed=timestamp is not None,
            source=kept_source,
            key=kept,
        )

    def _instant(self, text: str) -> datetime | None:
        if text[_FINER : _FINER + 1].isdigit():
            return None
        instant = msgspec.convert(text, datetime)
        if instant.tzinfo is None or not EARLIEST <= instant <= self._latest:
            return None
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


def _has_names_once(data: bytes, found: _Fields, metadata: bytes) -> bool:
    """Whether the object ``data`` surely has each of its own names once; ``found`` is what was read of it.

    Each member has a colon of its own. Where nothing is escaped, all other colons are in the values that were read, so
    that any member too many would be one colon too many.
    """
    if data.count(b"\\") != metadata.count(b"\\"):
        return False
    given = [text for text in (found.timestamp, found.idempotency_key, found.source) if text is not None]
    members = 4 + bool(metadata) + len(given)
    within = "".join([found.user_id, found.subscription_id, found.usage_type, *given]).count(":")
    return data.count(b":") == members + within + metadata.count(b":") + bytes(found.quantity).count(b":")
