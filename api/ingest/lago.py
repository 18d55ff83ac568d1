"""Lago's events: ``{"event": {...}}``, or ``{"events": [...]}``.

``transaction_id`` is the idempotency key, ``code`` the usage type, ``external_subscription_id`` a subscription or a
customer, ``properties`` the metadata. ``timestamp`` is seconds since 1970 as number or text, or an RFC 3339 text.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from api.ingest.foreign import NULL, Format, is_given, moment, raw, read_seconds, text_of
from usage_billing.core.errors import InvalidInput
from usage_billing.core.instants import decode_instant
from usage_billing.metering.recording import Beside, Recording
from usage_billing.metering.spelling import RawFields
from usage_billing.metering.usual import UsualKey, UsualName, named_recording

AMOUNT = "precise_total_amount_cents"
"""An amount of the sender's own, which is refused: prices are ours to know."""

_OURS: Mapping[str, str] = {
    "idempotencyKey": "transaction_id",
    "usageType": "code",
    "subscriptionId": "external_subscription_id",
    "timestamp": "timestamp",
    "metadata": "properties",
}
_FIELDS = frozenset({*_OURS.values(), AMOUNT})


def _translate(found: RawFields) -> dict[str, msgspec.Raw]:
    for name in found:
        if name not in _FIELDS:
            raise InvalidInput.field(f"/{name[:64]}", "is not a field of an event", code="unknown")
    if is_given(found, AMOUNT):
        raise InvalidInput.field(f"/{AMOUNT}", "is not taken: the price is the plan's", code="not_supported")
    said = {"idempotencyKey": raw(text_of(found, "transaction_id"))}
    for ours, theirs in (("usageType", "code"), ("subscriptionId", "external_subscription_id")):
        if is_given(found, theirs):
            said[ours] = found[theirs]
    if is_given(found, "timestamp"):
        said["timestamp"] = moment(found, "timestamp")
    if is_given(found, "properties"):
        said["metadata"] = found["properties"]
    return said


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The members of an event, under the names and in the types that senders use."""

    transaction_id: UsualKey
    external_subscription_id: UsualName
    code: UsualName
    timestamp: msgspec.Raw = NULL
    properties: msgspec.Raw = NULL
    precise_total_amount_cents: None = None


_event = msgspec.json.Decoder(_Event)


def _usual(data: bytes, *, now: datetime, default_key: str, beside: Beside) -> Recording:  # noqa: ARG001  it has an id
    sent = _event.decode(data)
    timestamp = bytes(sent.timestamp)
    return named_recording(
        name=sent.external_subscription_id,
        usage_type=sent.code,
        metadata=bytes(sent.properties),
        occurred_at=None if timestamp == b"null" else read_seconds(timestamp) or decode_instant(timestamp),
        now=now,
        source="",
        key=sent.transaction_id,
        beside=beside,
    )


LAGO = Format(_translate, _OURS, _usual)
