"""Field types with one meaning each; the schemas take all of them from here."""

from datetime import UTC, date, datetime
from typing import Any

from api.schemas.base import Field, wrong
from api.schemas.numbers import Amount, Money, Quantity, Used, Whole
from api.schemas.texts import (
    Choice,
    Country,
    CurrencyCode,
    Email,
    Iban,
    Identifier,
    Key,
    Language,
    NewIdentifier,
    Text,
)
from usage_billing.core.instants import read_day, read_instant

__all__ = [
    "Amount",
    "Choice",
    "Country",
    "CurrencyCode",
    "Day",
    "Email",
    "Flag",
    "Iban",
    "Identifier",
    "Instant",
    "Key",
    "Language",
    "Mapping",
    "Money",
    "NewIdentifier",
    "Passthrough",
    "Quantity",
    "Text",
    "Used",
    "Whole",
    "describe",
]


class Instant(Field):
    """A time: RFC 3339 with an offset in, UTC with ``Z`` out."""

    openapi = {
        "type": "string",
        "format": "date-time",
        "description": "Of the years 1970 to 8999.",
        "examples": ["2026-01-31T12:00:00Z"],
    }
    # Well within the times that Python's arithmetic and PostgreSQL's calendar have.
    earliest = datetime(1970, 1, 1, tzinfo=UTC)
    latest = datetime(9000, 1, 1, tzinfo=UTC)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str):
            raise wrong("must be an RFC 3339 time such as 2026-01-31T12:00:00Z", "not_a_time")
        try:
            instant = read_instant(value)
        except ValueError as error:
            raise wrong("must be an RFC 3339 time such as 2026-01-31T12:00:00Z", "not_a_time") from error
        if instant.tzinfo is None:
            raise wrong("must carry an offset, such as Z or +02:00", "no_offset")
        if not self.earliest <= instant <= self.latest:
            raise wrong(f"must be between {self.earliest:%Y-%m-%d} and {self.latest:%Y-%m-%d}", "out_of_range")
        return instant.astimezone(UTC)


class Day(Field):
    """A day of the calendar."""

    openapi = {
        "type": "string",
        "format": "date",
        "pattern": r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}$",
        "examples": ["2026-01-31"],
    }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> date:
        try:
            return read_day(value if isinstance(value, str) else "")
        except ValueError:
            raise wrong("must be a day such as 2026-01-31", "not_a_day") from None


class Flag(Field):
    """true or false and nothing that resembles them; in a query the two words."""

    openapi = {"type": "boolean"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> bool:  # noqa: ARG002
        if not isinstance(data, dict) and value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise wrong("must be true or false", "not_a_flag")
        return value


class Passthrough(Field):
    """A value that is passed on as it is; ``openapi`` describes it."""

    def __init__(self, openapi: dict[str, Any], **options: Any) -> None:
        super().__init__(**options)
        self.openapi = openapi


class Mapping(Field):
    """A JSON object whose members the domain checks, not the schema."""

    openapi: dict[str, Any] = {"type": "object"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong("must be an object", "not_an_object")
        return value


def describe(_: Any, field: Any, **__: Any) -> dict[str, Any]:
    """The OpenAPI type of a field of ours; apispec calls this for every field."""
    openapi: dict[str, Any] = dict(getattr(field, "openapi", {}))
    if openapi and field.allow_none and "type" in openapi:
        kinds = openapi["type"] if isinstance(openapi["type"], list) else [openapi["type"]]
        openapi["type"] = [*kinds, "null"]
        if "enum" in openapi:
            openapi["enum"] = [*openapi["enum"], None]
    return openapi
