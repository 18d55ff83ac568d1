"""What a field can be: its name in a description, and how a value of it is written. Pure.

A kind with parameters carries what a reader is promised: the longest text, the words of a list.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from usage_billing.core.clock import instant_text
from usage_billing.core.cursors import cursor_text
from usage_billing.core.decimals import plain
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit


class Kind:
    """Written as it is, unless a kind says otherwise."""

    def show(self, value: Any, currency: str) -> Any:  # noqa: ARG002
        """``value``, which is not None, as JSON has it; ``currency`` is that of the thing that holds it."""
        return value


class Identifier(Kind):
    """A name that a caller gave."""


@dataclass(frozen=True, eq=False)
class Text(Kind):
    """A text for people, of ``minimum`` to ``maximum`` characters."""

    maximum: int = 256
    minimum: int = 1


class Email(Kind):
    """An e-mail address."""


class Flag(Kind):
    """true or false."""


class Price(Kind):
    """A price: its model and the fields of that, decimals as texts."""


class Currency(Kind):
    """An ISO 4217 code. It is that of every amount of money beside it and below it."""


@dataclass(frozen=True, eq=False)
class Json(Kind):
    """Passed on as it is; ``schema`` is JSON Schema's word for it."""

    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})


PLAIN = Json({"type": "string"})
"""A text of which nothing is promised."""


@dataclass(frozen=True, eq=False)
class Whole(Kind):
    """A whole number."""

    minimum: int = 0
    maximum: int = 10**9


@dataclass(frozen=True, eq=False, init=False)
class Choice(Kind):
    """One of a few words."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)


@dataclass(frozen=True, eq=False, kw_only=True)
class Either(Kind):
    """A flag that is told as one of two words."""

    yes: str
    no: str

    def show(self, value: bool, currency: str) -> str:  # noqa: ARG002
        """The word."""
        return self.yes if value else self.no


@dataclass(frozen=True, eq=False)
class Words(Kind):
    """A list, each of which is one of a few words."""

    of: Choice

    def show(self, value: Any, currency: str) -> list[str]:  # noqa: ARG002
        """As a list."""
        return list(value)


class Id(Kind):
    """An id that we made: a UUID."""

    def show(self, value: UUID, currency: str) -> str:  # noqa: ARG002
        """With hyphens."""
        return str(value)


class Ids(Kind):
    """A list of ids that we made."""

    def show(self, value: Any, currency: str) -> list[str]:  # noqa: ARG002
        """With hyphens, in their order."""
        return [str(id) for id in value]


class Instant(Kind):
    """A time, with microseconds where it has any."""

    def show(self, value: datetime, currency: str) -> str:  # noqa: ARG002
        """RFC 3339 in UTC: ``2026-01-31T12:00:00Z``."""
        return instant_text(value)


class Day(Kind):
    """A day of the calendar."""

    def show(self, value: date, currency: str) -> str:  # noqa: ARG002
        """As ISO 8601 has it: ``2026-01-31``."""
        return value.isoformat()


class Quantity(Kind):
    """An exact decimal: a quantity, or a price of a unit."""

    def show(self, value: Decimal, currency: str) -> str:  # noqa: ARG002
        """Without an exponent or trailing zeros."""
        return plain(value)


class Money(Kind):
    """An amount in the currency of the thing that holds it."""

    def show(self, value: Decimal, currency: str) -> str:
        """With all digits of the currency's minor unit: ``30.00``."""
        return money_text(value, minor_unit(currency))


class MoneyOf(Kind):
    """An amount with a currency of its own, beside amounts in another."""

    def show(self, value: tuple[Decimal, str], currency: str) -> str:  # noqa: ARG002
        """With all digits of its currency's minor unit."""
        amount, code = value
        return money_text(amount, minor_unit(code))


class Held(Kind):
    """What a wallet holds: money if the thing that holds it has a currency, and units otherwise."""

    def show(self, value: Decimal, currency: str) -> str:
        """As ``Money`` or as ``Quantity`` is written."""
        return money_text(value, minor_unit(currency)) if currency else plain(value)


class Hash(Kind):
    """A hash of 32 bytes."""

    def show(self, value: bytes, currency: str) -> str:  # noqa: ARG002
        """64 hexadecimal digits."""
        return value.hex()


class Cursor(Kind):
    """Where a page ended, as opaque text."""

    def show(self, value: tuple[Any, ...], currency: str) -> str:  # noqa: ARG002
        """That of a position."""
        return cursor_text(value)
