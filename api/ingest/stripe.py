"""Stripe's meter events: a form with ``payload[value]`` (v1), or JSON with ``payload`` (v2).

``identifier`` is the idempotency key, else the header ``Idempotency-Key``, which Stripe's clients repeat.
``event_name`` is the usage type, ``payload.stripe_customer_id`` a subscription or a customer, ``payload.value`` the
quantity. What else the payload holds is the metadata.
"""

import re
from collections.abc import Mapping

import msgspec

from api.ingest.foreign import Format, is_given, moment, raw
from usage_billing.core.errors import InvalidInput
from usage_billing.metering.spelling import RawFields

_OURS: Mapping[str, str] = {
    "idempotencyKey": "identifier",
    "usageType": "event_name",
    "subscriptionId": "payload[stripe_customer_id]",
    "quantity": "payload[value]",
    "timestamp": "timestamp",
    "metadata": "payload",
}
_FIELDS = frozenset({"event_name", "identifier", "timestamp", "payload"})
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_payload = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _translate(found: RawFields) -> dict[str, msgspec.Raw]:
    for name in found:
        if name not in _FIELDS:
            raise InvalidInput.field(f"/{name[:64]}", "is not a field of a meter event", code="unknown")
    try:
        payload = _payload.decode(bytes(found["payload"])) if is_given(found, "payload") else {}
    except msgspec.MsgspecError:
        raise InvalidInput.field("/payload", "must be an object", code="not_an_object") from None
    if not is_given(payload, "value"):
        raise InvalidInput.field("/payload[value]", "is required", code="required")
    said = {"quantity": _number(bytes(payload["value"]))}
    if is_given(payload, "stripe_customer_id"):
        said["subscriptionId"] = payload["stripe_customer_id"]
    for ours, theirs in (("usageType", "event_name"), ("idempotencyKey", "identifier")):
        if is_given(found, theirs):
            said[ours] = found[theirs]
    if is_given(found, "timestamp"):
        said["timestamp"] = moment(found, "timestamp")
    rest = {name: value for name, value in payload.items() if name not in {"value", "stripe_customer_id"}}
    if rest:
        said["metadata"] = raw(rest)
    return said


def _number(spelled: bytes) -> msgspec.Raw:
    """A number, also one that is spelled as a text: the clients send 1e-07 and "25" alike."""
    inner = spelled.strip(b'"')
    return msgspec.Raw(inner if _NUMBER.fullmatch(inner) else spelled)


def event_from_form(form: Mapping[str, str]) -> bytes:
    """A form's meter event in its JSON form; every value in a form is a text."""
    found: dict[str, object] = {}
    payload: dict[str, str] = {}
    for name, value in form.items():
        inner = _IN_PAYLOAD.fullmatch(name)
        if inner is None:
            found[name] = value
        else:
            payload[inner[1]] = value
    return msgspec.json.encode(found | ({"payload": payload} if payload else {}))


_IN_PAYLOAD = re.compile(r"payload\[([^\[\]]{1,128})\]")

STRIPE = Format(_translate, _OURS)
