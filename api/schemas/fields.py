"""Field types with one meaning each: names, texts, exact decimals, money, times, whole numbers."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from api.json_provider import instant_text
from api.schemas.base import Coded, Field, wrong
from usage_billing.core.decimals import MAX_QUANTITY, NotADecimal, parse_decimal, plain
from usage_billing.core.identifiers import IDENTIFIER_PATTERN, is_identifier
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit

_FORBIDDEN = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
IDENTIFIER_RULE = "must be 1 to 128 characters of A-Z a-z 0-9 _ . : -"
_DIGITS = 10
_NOT_A_TEXT = Coded("must be a text", "not_a_text")


class Identifier(Field):
    """A name that a caller gives, compared as bytes."""

    openapi = {"type": "string", "pattern": f"^{IDENTIFIER_PATTERN}$"}
    default_error_messages = {"null": _NOT_A_TEXT}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text", "not_a_text")
        if not is_identifier(value):
            raise wrong(IDENTIFIER_RULE, "not_an_identifier")
        return value


class Text(Field):
    """Text for people: 1 to ``maximum`` characters, none of which controls anything."""

    default_error_messages = {"null": _NOT_A_TEXT}

    def __init__(self, *, maximum: int = 256, **options: Any) -> None:
        super().__init__(**options)
        self.maximum = maximum
        self.openapi = {"type": "string", "minLength": 1, "maxLength": maximum}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text", "not_a_text")
        if not 1 <= len(value) <= self.maximum:
            raise wrong(f"must have 1 to {self.maximum} characters", "out_of_range")
        if _FORBIDDEN.search(value):
            raise wrong("must not contain NUL, other control characters or lone surrogates", "bad_text")
        return value


class Email(Text):
    """An e-mail address, as far as one can be recognised."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=320, **options)
        self.openapi = {"type": "string", "maxLength": 320, "format": "email"}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if re.fullmatch(r"[^@\s]+@[^@\s]+", text) is None:
            raise wrong("must be an e-mail address", "not_an_email")
        return text


class Choice(Field):
    """One of a few words."""

    def __init__(self, *choices: str, **options: Any) -> None:
        super().__init__(**options)
        self.choices = choices
        self.openapi = {"type": "string", "enum": list(choices)}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise wrong(f"must be one of: {', '.join(self.choices)}", "not_a_choice")
        return value


class Amount(Field):
    """An exact decimal, in as number or string, out as string."""

    default_error_messages = {"null": Coded("must be a decimal number", "not_a_decimal")}

    openapi = {
        "type": ["string", "number"],
        "pattern": r"^(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$",
        "minimum": 0,
        "maximum": int(MAX_QUANTITY),
    }

    def __init__(self, *, positive: bool = False, maximum: Decimal = MAX_QUANTITY, **options: Any) -> None:
        super().__init__(**options)
        self.positive = positive
        self.maximum = maximum
        if positive:
            self.openapi = {name: value for name, value in self.openapi.items() if name != "minimum"} | {
                "exclusiveMinimum": 0
            }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise wrong("must be a decimal number", "not_a_decimal")
        try:
            amount = parse_decimal(value if isinstance(value, str) else str(value), maximum=self.maximum)
        except NotADecimal as error:
            raise wrong(str(error), "not_a_decimal") from error
        if self.positive and amount == 0:
            raise wrong("must be more than 0", "out_of_range")
        return amount

    def _serialize(self, value: Decimal | None, *_: Any, **__: Any) -> str | None:
        return None if value is None else plain(value)


class Quantity(Field):
    """A quantity or a unit price on its way out: exact, without trailing zeros."""

    openapi = {"type": "string", "examples": ["53"]}

    def _serialize(self, value: Decimal | None, *_: Any, **__: Any) -> str | None:
        return None if value is None else plain(value)


class Money(Field):
    """An amount in the currency of the object that holds it, with all digits of its minor unit."""

    openapi = {"type": "string", "examples": ["30.00"]}

    def _serialize(self, value: Decimal | None, attr: str | None, obj: Any, **_: Any) -> str | None:  # noqa: ARG002
        return None if value is None else money_text(value, minor_unit(obj.currency))


class Instant(Field):
    """A time: RFC 3339 with an offset in, UTC with ``Z`` out."""

    openapi = {"type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"]}
    # Far from where arithmetic on times and PostgreSQL's calendar end.
    earliest = datetime(1970, 1, 1, tzinfo=UTC)
    latest = datetime(9000, 1, 1, tzinfo=UTC)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        try:
            instant = msgspec.convert(value, datetime)
        except msgspec.ValidationError as error:
            raise wrong("must be an RFC 3339 time such as 2026-01-31T12:00:00Z", "not_a_time") from error
        if instant.tzinfo is None:
            raise wrong("must carry an offset, such as Z or +02:00", "no_offset")
        if not self.earliest <= instant <= self.latest:
            raise wrong(f"must be between {self.earliest:%Y-%m-%d} and {self.latest:%Y-%m-%d}", "out_of_range")
        return instant.astimezone(UTC)

    def _serialize(self, value: datetime | None, *_: Any, **__: Any) -> str | None:
        return None if value is None else instant_text(value)


class Whole(Field):
    """A whole number; in a query spelled in digits."""

    def __init__(self, *, minimum: int = 0, maximum: int = 10**9, **options: Any) -> None:
        super().__init__(**options)
        self.minimum = minimum
        self.maximum = maximum
        self.openapi = {"type": "integer", "minimum": minimum, "maximum": maximum}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> int:  # noqa: ARG002
        in_query = isinstance(value, str) and not isinstance(data, dict)
        if in_query and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("must be a whole number", "not_a_whole_number")
        if not self.minimum <= value <= self.maximum:
            raise wrong(f"must be {self.minimum} to {self.maximum}", "out_of_range")
        return value


class Flag(Field):
    """true or false and nothing that resembles them."""

    openapi = {"type": "boolean"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if not isinstance(value, bool):
            raise wrong("must be true or false", "not_a_flag")
        return value


class Prefabricated(Field):
    """Something that is passed on as it is; ``openapi`` says what it is."""

    def __init__(self, openapi: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.openapi = openapi


class Mapping(Field):
    """An object whose inside somebody else checks."""

    openapi: dict[str, Any] = {"type": "object"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong("must be an object", "not_an_object")
        return value


def describe(_: Any, field: Any, **__: Any) -> dict[str, Any]:
    """What apispec asks of every field: the OpenAPI type of one of ours."""
    openapi: dict[str, Any] = dict(getattr(field, "openapi", {}))
    if openapi and field.allow_none and "type" in openapi:
        kinds = openapi["type"] if isinstance(openapi["type"], list) else [openapi["type"]]
        openapi["type"] = [*kinds, "null"]
        if "enum" in openapi:
            openapi["enum"] = [*openapi["enum"], None]
    return openapi
