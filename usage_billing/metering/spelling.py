"""A recording as senders spell it, read the same way by the API and by ``usage-billing import``. Pure.

A quantity is the decimal that it spells: it goes from the text of the JSON to a Decimal without a float in between.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TypeVar
from uuid import UUID

import msgspec

from usage_billing.core.decimals import MAX_QUANTITY, NotADecimal, parse_decimal, parse_number
from usage_billing.core.errors import FieldError, InvalidInput
from usage_billing.core.identifiers import IDENTIFIER_RULE, KEY_RULE, is_identifier, kept_key
from usage_billing.core.instants import decode_instant
from usage_billing.core.json_names import RepeatedName, check_names
from usage_billing.metering.metadata import EMPTY, NotMetadata, canonical_metadata
from usage_billing.metering.recording import NOTHING_BESIDE, TO_BE_MADE, Beside, Recording

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""An earlier time comes from a clock that was never set."""

MAX_AHEAD = timedelta(hours=1)
"""How far a sender's clock may lead ours."""

FIELDS = (
    "userId",
    "subscriptionId",
    "usageType",
    "quantity",
    "metadata",
    "timestamp",
    "idempotencyKey",
    "source",
)

# At most so many unknown fields of one recording are reported.
_MOST_UNKNOWN = 20

RawFields = Mapping[str, msgspec.Raw]
"""The members of a JSON object, each still as the text it was sent as."""

IsMade = Callable[[str], bool]
"""Whether a usage type makes the quantities of its recordings, so that one may come without."""

Value = TypeVar("Value")

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


def read_object(data: bytes) -> RawFields:
    """The members of a JSON object; raises InvalidInput ``malformed_json`` for anything else."""
    try:
        return _object.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidInput(f"must be a JSON object: {error}", code="malformed_json") from None


def typed_in(texts: Mapping[str, str], metadata: str | None) -> RawFields:
    """The fields of a recording that a person typed in; raises InvalidInput for metadata with a name twice.

    Metadata that is no JSON object is left to ``parse_recording``, which says so beside whatever else is wrong.
    """
    fields = {name: msgspec.Raw(msgspec.json.encode(text)) for name, text in texts.items()}
    if metadata is not None:
        raw = metadata.encode("utf-8", "surrogatepass")
        try:
            check_names(raw)
        except RepeatedName as error:
            raise InvalidInput.field("/metadata", str(error), code="repeated_name") from None
        except (ValueError, RecursionError):
            pass
        fields["metadata"] = msgspec.Raw(raw)
    return fields


def senders_give_it(_: str) -> bool:
    """No usage type makes quantities."""
    return False


def parse_recording(
    fields: RawFields,
    *,
    id: UUID,
    received_at: datetime,
    pointer: str = "",
    default_key: str = "",
    beside: Beside = NOTHING_BESIDE,
    is_made: IsMade = senders_give_it,
    names_one: bool = False,
) -> Recording:
    """Check the shape of one recording; raises InvalidInput with every wrong field, pointing below ``pointer``.

    ``default_key`` becomes the idempotency key when the object holds none. ``is_made`` says whether a usage type makes
    quantities, so that a recording of it may have none. With ``names_one`` there is no ``userId``, ``subscriptionId``
    is the name of a subscription or of a customer, and the quantity may be left out of every usage type.
    """
    reader = _Reader(fields, pointer)
    reader.refuse_unknown()
    customer_id = "" if names_one else reader.required("userId", _identifier, "")
    subscription_id = reader.required("subscriptionId", _identifier, "")
    if names_one:
        beside = msgspec.structs.replace(beside, whose=subscription_id)
    usage_type = reader.required("usageType", _identifier, "")
    if "quantity" in fields or not (names_one or (usage_type and is_made(usage_type))):
        quantity = reader.required("quantity", read_quantity, Decimal(1))
    else:
        quantity, beside = TO_BE_MADE, msgspec.structs.replace(beside, made=True)
    metadata = reader.optional("metadata", canonical_metadata, EMPTY)
    occurred_at = reader.optional("timestamp", lambda raw: _occurred_at(raw, received_at), None)
    key = reader.optional("idempotencyKey", _key, default_key)
    source = reader.optional("source", _key, "")
    if reader.errors:
        first = reader.errors[0]
        raise InvalidInput(f"{first.pointer.removeprefix(pointer + '/')} {first.message}", fields=tuple(reader.errors))
    return Recording(
        id=id,
        customer_id=customer_id,
        subscription_id=subscription_id,
        usage_type=usage_type,
        quantity=quantity,
        metadata=metadata,
        occurred_at=occurred_at or received_at,
        received_at=received_at,
        timed=occurred_at is not None,
        source=source,
        key=key,
        beside=beside,
    )


class _Wrong(ValueError):
    """The value of one field is refused: a message for people, and a code for programs."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Reader:
    """Reads fields one by one. It goes on after a wrong one, so that the sender learns of every wrong field at once."""

    fields: RawFields
    pointer: str
    errors: list[FieldError] = field(default_factory=list)

    def refuse_unknown(self) -> None:
        unknown = (name for name in self.fields if name not in FIELDS)
        for name in islice(unknown, _MOST_UNKNOWN):
            self._add(name, "is not a field of a recording", "unknown")

    def required(self, name: str, read: Callable[[bytes], Value], otherwise: Value) -> Value:
        if name in self.fields:
            return self._read(name, read, otherwise)
        self._add(name, "is required", "required")
        return otherwise

    def optional(self, name: str, read: Callable[[bytes], Value], otherwise: Value) -> Value:
        if name not in self.fields or bytes(self.fields[name]) == b"null":
            return otherwise
        return self._read(name, read, otherwise)

    def _read(self, name: str, read: Callable[[bytes], Value], otherwise: Value) -> Value:
        try:
            return read(bytes(self.fields[name]))
        except _Wrong as error:
            self._add(name, str(error), error.code)
        except NotMetadata as error:
            self._add(name, str(error), "invalid_metadata")
        return otherwise

    def _add(self, name: str, message: str, code: str) -> None:
        clipped = name[:64].replace("~", "~0").replace("/", "~1")
        self.errors.append(FieldError(f"{self.pointer}/{clipped}", message, code))


def _string(raw: bytes) -> str:
    try:
        return _text.decode(raw)
    except (msgspec.MsgspecError, ValueError):
        raise _Wrong("must be a text", "not_a_text") from None


def _identifier(raw: bytes) -> str:
    text = _string(raw)
    if not is_identifier(text):
        raise _Wrong(IDENTIFIER_RULE, "not_an_identifier")
    return text


def _key(raw: bytes) -> str:
    kept = kept_key(_string(raw))
    if kept is None:
        raise _Wrong(KEY_RULE, "not_a_key")
    return kept


def read_quantity(raw: bytes) -> Decimal:
    """A quantity as JSON spells it: a number, rounded to the places that are kept, or a text, which is exact.

    Raises ValueError, also for a number that rounds to zero.
    """
    try:
        if raw[:1] == b'"':
            value = parse_decimal(_string(raw), maximum=MAX_QUANTITY)
        else:
            value = parse_number(raw.decode("ascii", "replace"), maximum=MAX_QUANTITY)
    except NotADecimal as error:
        raise _Wrong(str(error), "not_a_decimal") from None
    if not value:
        raise _Wrong("must be more than 0", "out_of_range")
    return value


def _occurred_at(raw: bytes, received_at: datetime) -> datetime:
    try:
        instant = decode_instant(raw)
    except ValueError:
        raise _Wrong("must be an RFC 3339 time such as 2026-01-31T12:00:00Z", "not_a_time") from None
    return check_occurred_at(instant, received_at)


def check_occurred_at(instant: datetime, received_at: datetime) -> datetime:
    """The instant in UTC; raises ValueError when it has no offset or lies too far off."""
    if instant.tzinfo is None:
        raise _Wrong("must carry an offset, such as Z or +02:00", "no_offset")
    if not EARLIEST <= instant <= received_at + MAX_AHEAD:
        raise _Wrong(f"must lie between {EARLIEST:%Y-%m-%d} and an hour from now", "out_of_range")
    return instant.astimezone(UTC)
