"""Reads a recording in one go when it is spelled as nearly all are: a quicker way to the result of ``spelling``. Pure.

For a recording that is not plainly right the result is None, and the caller lets ``spelling`` say what is wrong. For
one that is right the result is that of ``spelling``; a property test compares the two.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from usage_billing.core.identifiers import IDENTIFIER_PATTERN, new_id
from usage_billing.core.instants import decode_instant
from usage_billing.core.limits import MAX_IDENTIFIER
from usage_billing.metering.metadata import EMPTY, canonical_metadata
from usage_billing.metering.recording import NOTHING_BESIDE, Beside, Recording
from usage_billing.metering.spelling import check_occurred_at, read_quantity

_Name = Annotated[str, msgspec.Meta(pattern=rf"\A{IDENTIFIER_PATTERN}\Z")]
# A key that is kept as it is.
_Key = Annotated[str, msgspec.Meta(pattern=rf"\A[ -~]{{1,{MAX_IDENTIFIER}}}\Z")]


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The members of an event, under the names and in the types that senders use."""

    userId: _Name  # noqa: N815
    subscriptionId: _Name  # noqa: N815
    usageType: _Name  # noqa: N815
    quantity: msgspec.Raw
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    timestamp: msgspec.Raw = msgspec.Raw(b"null")
    idempotencyKey: _Key | None = None  # noqa: N815
    source: _Key | None = None


class _Batch(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    events: list[_Event]


_event = msgspec.json.Decoder(_Event)
_batch = msgspec.json.Decoder(_Batch)
_SMALL = {str(number).encode(): Decimal(number) for number in range(1, 1001)}


def usual_recording(
    data: bytes, *, now: datetime, default_key: str = "", beside: Beside = NOTHING_BESIDE
) -> Recording | None:
    """The recording in ``data``, the text of one JSON object; None when it is not plainly right."""
    try:
        return _recording(_event.decode(data), now, default_key, beside)
    except (ValueError, ArithmeticError, RecursionError):  # msgspec's errors are ValueErrors
        return None


def usual_batch(data: bytes, *, now: datetime, beside: Beside = NOTHING_BESIDE) -> list[Recording] | None:
    """The recordings of a batch in their order; None when one of them is not plainly right."""
    try:
        return [_recording(event, now, "", beside) for event in _batch.decode(data).events]
    except (ValueError, ArithmeticError, RecursionError):
        return None


def _recording(sent: _Event, now: datetime, default_key: str, beside: Beside) -> Recording:
    quantity, metadata, timestamp = bytes(sent.quantity), bytes(sent.metadata), bytes(sent.timestamp)
    timed = timestamp != b"null"
    return Recording(
        id=new_id(),
        customer_id=sent.userId,
        subscription_id=sent.subscriptionId,
        usage_type=sent.usageType,
        quantity=_SMALL.get(quantity) or read_quantity(quantity),
        metadata=EMPTY if metadata == b"null" else canonical_metadata(metadata),
        occurred_at=check_occurred_at(decode_instant(timestamp), now) if timed else now,
        received_at=now,
        timed=timed,
        source=sent.source or "",
        key=sent.idempotencyKey or default_key,
        beside=beside,
    )
