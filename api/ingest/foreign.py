"""Events as other programs send them: each becomes the recording that our own format would make of it.

A format's module turns the members of one event into our words, each still as its JSON text. An event that cannot be
read is accepted all the same, and goes to quarantine with its place in the request and why: its sender may drop a whole
batch for one refused event.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import msgspec
from flask import Request
from msgspec.structs import replace

from api.errors import Unreadable
from api.ingest.body import json_body_of
from api.ingest.pieces import pieces_of_list, pieces_of_object
from api.ingest.strict_json import read_json
from api.ingest.text import check_text, is_clean
from usage_billing.core.decimals import EXACT
from usage_billing.core.errors import InvalidInput
from usage_billing.core.identifiers import new_id
from usage_billing.metering.recording import Beside, Recording
from usage_billing.metering.spelling import RawFields, parse_recording

_EPOCH, _MILLION = datetime(1970, 1, 1, tzinfo=UTC), Decimal(1_000_000)
_SECONDS = re.compile(rb"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")

NULL = msgspec.Raw(b"null")
"""A member that is not there."""

Translate = Callable[[RawFields], dict[str, msgspec.Raw]]
"""From the members of an event to those of a recording; raises InvalidInput."""

_objects = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


class Usual(Protocol):
    """Reads an event in one go when it is spelled as nearly all are: a quicker way to the same recording."""

    def __call__(self, data: bytes, *, now: datetime, default_key: str, beside: Beside) -> Recording:
        """The recording in ``data``; raises ValueError or ArithmeticError where it is not plainly right."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a format's events become recordings. ``names`` are its words for ours, for what is said of a wrong field.

    ``usual`` is the quicker way, None without one. A property test compares it with ``translate``.
    """

    translate: Translate
    names: Mapping[str, str]
    usual: Usual | None = None


def raw(value: object) -> msgspec.Raw:
    """``value`` as JSON text."""
    return msgspec.Raw(msgspec.json.encode(value))


def text_of(found: RawFields, name: str) -> str:
    """The text in a member; raises InvalidInput where it is absent, empty or no text."""
    try:
        text = msgspec.json.decode(bytes(found[name]), type=str) if name in found else ""
    except msgspec.MsgspecError:
        raise InvalidInput.field(f"/{name}", "must be a text", code="not_a_text") from None
    if not text:
        raise InvalidInput.field(f"/{name}", "is required", code="required")
    return text


def moment(found: RawFields, name: str) -> msgspec.Raw:
    """A time in a member as an RFC 3339 text: it may be seconds since 1970, as number or text, or such a text itself.

    Raises InvalidInput, code ``out_of_range``, for seconds that no calendar has: milliseconds are not guessed.
    """
    try:
        seconds = read_seconds(bytes(found[name]))
    except (ArithmeticError, ValueError):  # an OverflowError is an ArithmeticError
        raise InvalidInput.field(f"/{name}", "must be in seconds since 1970", code="out_of_range") from None
    return found[name] if seconds is None else raw(seconds)


def read_seconds(spelled: bytes) -> datetime | None:
    """The time in a JSON number of seconds since 1970, or in a text of one; None for other texts.

    Raises ArithmeticError or ValueError for what no calendar has.
    """
    number = spelled.strip(b'"')
    if _SECONDS.fullmatch(number) is None:
        return None
    return _EPOCH + timedelta(microseconds=int(EXACT.multiply(Decimal(number.decode()), _MILLION)))


def is_given(found: RawFields, name: str) -> bool:
    """Whether a member is there and not null."""
    return name in found and bytes(found[name]) != b"null"


class ReadObject(bytes):
    """The text of a JSON object that is well-formed and holds only text that can be kept: it is not read again."""


def object_of(data: bytes) -> bytes:
    """The body of one event; raises Unreadable for one that is not a JSON object."""
    if not isinstance(read_json(data), dict):
        raise Unreadable("the body must be a JSON object", code="not_an_object")
    return ReadObject(data) if is_clean(data) else data


def elements_of(data: bytes, *, most: int) -> list[bytes]:
    """The elements of the list that is a body, each as its JSON text.

    Raises Unreadable for a body that is none, and InvalidInput, code ``out_of_range``, for one of more than ``most``.
    What is wrong within an element is that element's matter.
    """
    try:
        found = [bytes(one) for one in _list.decode(data)]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = pieces_of_list(data)
    if len(found) > most:
        raise InvalidInput.field("", f"must be at most {most} events", code="out_of_range")
    return found


def one_member(request: Request, name: str, *, batch: bool = False) -> bytes:
    """The one member of a body, as its JSON text; raises InvalidInput for a body with others, or without it."""
    found = pieces_of_object(json_body_of(request, batch=batch))
    strays = [other for other in found if other != name]
    if strays:
        raise InvalidInput.field(f"/{strays[0][:64]}", "is not a field of this request", code="unknown")
    if found.get(name, b"null") == b"null":
        raise InvalidInput.field(f"/{name}", "is required", code="required")
    return found[name]


def recordings_of(
    events: Iterable[bytes],
    form: Format,
    *,
    now: datetime,
    beside: Beside,
    default_key: Callable[[int], str] = lambda _: "",
) -> list[Recording]:
    """A recording for each event, in their order; ``default_key`` gives the key of one that has none, by its place."""
    return [
        _recording(data, form, index=index, now=now, beside=beside, default_key=default_key(index))
        for index, data in enumerate(events)
    ]


def _recording(data: bytes, form: Format, *, index: int, now: datetime, beside: Beside, default_key: str) -> Recording:
    try:
        if not isinstance(data, ReadObject):
            _check_object(data)
        if form.usual is not None:
            with suppress(ValueError, ArithmeticError):  # msgspec's errors are ValueErrors
                return form.usual(data, now=now, default_key=default_key, beside=beside)
        said = form.translate(_objects.decode(data))
        return parse_recording(
            said, id=new_id(), received_at=now, default_key=default_key, beside=beside, names_one=True
        )
    except InvalidInput as error:
        return unread(data, f"event {index}: {_why(error, form.names)}", now=now, beside=beside)
    except Unreadable as error:
        return unread(data, f"event {index}: {error.message}", now=now, beside=beside)


def _check_object(data: bytes) -> None:
    value = read_json(data)
    if not isinstance(value, dict):
        raise InvalidInput.field("", "must be an object", code="not_an_object")
    check_text(value, data)


def unread(data: bytes, why: str, *, now: datetime, beside: Beside) -> Recording:
    """What is kept of an event that cannot be read: all of it, until an operator has seen it in quarantine."""
    kept = msgspec.json.encode({"event": data.decode("utf-8", "backslashreplace")}).decode()
    return Recording(
        id=new_id(),
        customer_id="",
        subscription_id="",
        usage_type="",
        quantity=Decimal(1),
        metadata=kept,
        occurred_at=now,
        received_at=now,
        timed=False,
        beside=replace(beside, unread=why),
    )


def _why(error: InvalidInput, names: Mapping[str, str]) -> str:
    """Each wrong field by the sender's own name for it."""
    return "; ".join(f"{_said(field.pointer, names)} {field.message}".strip() for field in error.fields)


def _said(pointer: str, names: Mapping[str, str]) -> str:
    first, *rest = pointer.removeprefix("/").split("/")
    return "/".join((names.get(first, first), *rest))
