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
from usage_billing.metering.recording import NOTHING_BESIDE, TO_BE_MADE, Beside, Recording
from usage_billing.metering.spelling import check_occurred_at, read_quantity

UsualName = Annotated[str, msgspec.Meta(pattern=rf"\A{IDENTIFIER_PATTERN}\Z")]
"""An identifier."""

UsualKey = Annotated[str, msgspec.Meta(pattern=rf"\A[ -~]{{1,{MAX_IDENTIFIER}}}\Z")]
"""A key or a source that is kept as it is."""


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The members of an event, under the names and in the types that senders use."""

    userId: UsualName  # noqa: N815
    subscriptionId: UsualName  # noqa: N815
    usageType: UsualName  # noqa: N815
    quantity: msgspec.Raw
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    timestamp: msgspec.Raw = msgspec.Raw(b"null")
    idempotencyKey: UsualKey | None = None  # noqa: N815
    source: UsualKey | None = None


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


def named_recording(
    *,
    name: str,
    usage_type: str,
    metadata: bytes,
    occurred_at: datetime | None,
    now: datetime,
    source: str,
    key: str,
    beside: Beside,
) -> Recording:
    """A recording of a sender that says no quantity and names one thing, ``name``: a subscription, or a customer.

    Raises ValueError for metadata and times that are refused.
    """
    return Recording(
        id=new_id(),
        customer_id="",
        subscription_id=name,
        usage_type=usage_type,
        quantity=TO_BE_MADE,
        metadata=EMPTY if metadata == b"null" else canonical_metadata(metadata),
        occurred_at=now if occurred_at is None else check_occurred_at(occurred_at, now),
        received_at=now,
        timed=occurred_at is not None,
        source=source,
        key=key,
        beside=Beside(by=beside.by, made=True, whose=name),
    )


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
