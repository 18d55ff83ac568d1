"""CloudEvents 1.0 over HTTP: one in JSON, a batch in JSON, or one whose attributes are headers.

``id`` with ``source`` is the idempotency key, ``type`` the usage type, ``subject`` a subscription or a customer,
``data`` the metadata. A time that is absent is that of the acceptance. Extension attributes are not kept.
Source: cloudevents/spec, v1.0.2, the JSON format and the HTTP protocol binding.
"""

from base64 import b64decode
from datetime import datetime
from typing import Literal
from urllib.parse import unquote

import msgspec
from flask import Request

from api.errors import Unreadable, UnsupportedMediaType
from api.ingest.body import body_of
from api.ingest.foreign import NULL, Format, elements_of, is_given, object_of, raw, text_of
from api.ingest.strict_json import read_json
from usage_billing.core.errors import InvalidInput
from usage_billing.core.instants import decode_instant
from usage_billing.metering.recording import Beside, Recording
from usage_billing.metering.spelling import RawFields
from usage_billing.metering.usual import UsualKey, UsualName, named_recording

_ONE, _BATCH, _JSON = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"
_HEADER = "HTTP_CE_"
_ATTRIBUTES = ("id", "source", "specversion", "type", "subject", "time")


def events_of(request: Request, *, most: int) -> list[bytes]:
    """Up to ``most`` events of a request, each as its JSON text.

    Raises Unreadable, UnsupportedMediaType, TooLarge, or InvalidInput for more.

    ``application/json`` may be one event or a list of them, as the programs that send it do.
    """
    kind = request.mimetype
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if charset not in {"utf-8", "utf8"} or "HTTP_CONTENT_ENCODING" in request.environ:
        raise UnsupportedMediaType("the body must be UTF-8, and sent without Content-Encoding")
    if f"{_HEADER}SPECVERSION" in request.environ and kind in {_JSON, ""}:
        return [_from_headers(request)]
    if kind not in {_ONE, _BATCH, _JSON}:
        raise UnsupportedMediaType(f"the body must be sent as {_ONE}, {_BATCH} or {_JSON}")
    data = body_of(request, batch=True)
    if kind == _BATCH or (kind == _JSON and data.lstrip()[:1] == b"["):
        return elements_of(data, most=most)
    return [object_of(data)]


def _from_headers(request: Request) -> bytes:
    """The event whose attributes are headers and whose data is the body, in its JSON form."""
    found: dict[str, object] = {}
    for name in _ATTRIBUTES:
        value = request.environ.get(_HEADER + name.upper())
        if value is not None:
            found[name] = _header_text(value)
    data = body_of(request)
    if data:
        read_json(data)
        found["data"] = msgspec.Raw(data)
    return msgspec.json.encode(found)


def _header_text(value: str) -> str:
    """A header's value: percent-encoded, or as the bytes of UTF-8, or of Latin-1."""
    try:
        plain = value.encode("latin-1").decode()
    except UnicodeDecodeError:
        plain = value
    try:
        return unquote(plain, errors="strict")
    except UnicodeDecodeError:
        return plain


def _translate(found: RawFields) -> dict[str, msgspec.Raw]:
    if text_of(found, "specversion") != "1.0":
        raise InvalidInput.field("/specversion", "must be 1.0", code="not_supported")
    said = {"idempotencyKey": raw(text_of(found, "id")), "source": raw(text_of(found, "source"))}
    for ours, theirs in (("usageType", "type"), ("subscriptionId", "subject"), ("timestamp", "time")):
        if is_given(found, theirs):
            said[ours] = found[theirs]
    if is_given(found, "data"):
        said["metadata"] = found["data"]
    elif is_given(found, "data_base64"):
        said["metadata"] = msgspec.Raw(_decoded(text_of(found, "data_base64")))
    return said


def _decoded(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
        read_json(data)
    except (ValueError, Unreadable):
        message = "must be a JSON object in base64"
        raise InvalidInput.field("/data_base64", message, code="invalid_metadata") from None
    return data


class _Event(msgspec.Struct, gc=False):
    """The members of an event, under the names and in the types that senders use."""

    id: UsualKey
    source: UsualKey
    specversion: Literal["1.0"]
    type: UsualName
    subject: UsualName
    time: msgspec.Raw = NULL
    data: msgspec.Raw = NULL
    data_base64: msgspec.Raw = NULL


_event = msgspec.json.Decoder(_Event)


def _usual(data: bytes, *, now: datetime, default_key: str, beside: Beside) -> Recording:  # noqa: ARG001  it has an id
    sent = _event.decode(data)
    if bytes(sent.data_base64) != b"null":
        raise ValueError("bytes are read by translate")
    time = bytes(sent.time)
    return named_recording(
        name=sent.subject,
        usage_type=sent.type,
        metadata=bytes(sent.data),
        occurred_at=None if time == b"null" else decode_instant(time),
        now=now,
        source=sent.source,
        key=sent.id,
        beside=beside,
    )


CLOUD_EVENTS = Format(
    _translate,
    {
        "idempotencyKey": "id",
        "usageType": "type",
        "subscriptionId": "subject",
        "timestamp": "time",
        "metadata": "data",
    },
    _usual,
)
