"""Types of arguments: click refuses a wrong one as a usage error before the command opens anything."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import click

from usage_billing.core.choices import Effective
from usage_billing.core.decimals import MAX_PRICE, MAX_QUANTITY, NotADecimal, parse_decimal
from usage_billing.core.identifiers import (
    IDENTIFIER_RULE,
    KEY_RULE,
    NEW_IDENTIFIER_RULE,
    is_identifier,
    is_new_identifier,
    kept_key,
)
from usage_billing.core.limits import MAX_EMAIL, MAX_KEY_NAME, MAX_METHOD, MAX_NAME, MAX_UNIT_NAME, is_email
from usage_billing.subscriptions.moments import NOW, PERIOD_END

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SPAN = re.compile(r"(\d{1,6})([smhd])")
NEVER = "never"
"""The word for no end."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Kind(click.ParamType[Any]):
    """A type of argument whose ``read`` raises ValueError with the reason."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value that the command receives; a default that is converted already stays as it is."""
        if not isinstance(value, str):
            return value
        try:
            return self.read(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}.", param, ctx)

    def read(self, text: str) -> object:
        """Convert ``text``."""
        raise NotImplementedError


class IdentifierType(_Kind):
    """An identifier that a caller chooses, such as a customer's id."""

    name = "id"

    def read(self, text: str) -> str:
        """The text itself."""
        if not is_identifier(text):
            raise ValueError(f"is no id: it {IDENTIFIER_RULE}")
        return text


class NewIdentifierType(IdentifierType):
    """A name that something is given."""

    def read(self, text: str) -> str:
        """The text itself."""
        if not is_new_identifier(text):
            raise ValueError(f"can be no id: it {NEW_IDENTIFIER_RULE}")
        return text


class NameType(_Kind):
    """Text for people, that the database can keep."""

    name = "text"

    def __init__(self, longest: int = MAX_NAME) -> None:
        self._longest = longest

    def read(self, text: str) -> str:
        """The text itself."""
        if not 1 <= len(text) <= self._longest or not text.isprintable():
            raise ValueError(f"must be 1 to {self._longest} printable characters")
        return text


class EmailType(_Kind):
    """An e-mail address; only its form is checked."""

    name = "email"

    def read(self, text: str) -> str:
        """The text itself."""
        if not is_email(text) or len(text) > MAX_EMAIL or not text.isprintable():
            raise ValueError("is no e-mail address")
        return text


class DigestType(_Kind):
    """The digest of a billing run: 64 hexadecimal digits."""

    name = "digest"

    def read(self, text: str) -> str:
        """The text itself."""
        if _DIGEST.fullmatch(text) is None:
            raise ValueError("is no digest: 64 hexadecimal digits")
        return text


class TimeType(_Kind):
    """An instant: RFC 3339 with its offset, or a day in UTC."""

    name = "time"

    def read(self, text: str) -> datetime:
        """The instant, aware and in UTC."""
        try:
            instant = datetime.fromisoformat(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
            return _aware(instant).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("is no time such as 2026-01-31 or 2026-01-31T12:00:00Z") from None


class TimeOrNeverType(TimeType):
    """An instant, or the word for none."""

    def read(self, text: str) -> datetime | str:  # type: ignore[override]
        """The word itself, or the instant."""
        return text if text == NEVER else super().read(text)


class SourceType(_Kind):
    """The source of recordings, as it is kept."""

    name = "text"

    def read(self, text: str) -> str:
        """The text itself, or its hash if it is long."""
        kept = kept_key(text)
        if kept is None:
            raise ValueError(KEY_RULE)
        return kept


class LocalTimeType(_Kind):
    """An instant with its offset, or a wall-clock time or day without one, which the command reads in a time zone."""

    name = "time"

    def read(self, text: str) -> datetime | str:
        """Aware in UTC, or without a zone: ``in_zone`` makes an instant of it."""
        try:
            instant = datetime.fromisoformat(f"{text}T00:00:00" if _DAY.fullmatch(text) else text)
            return instant if instant.tzinfo is None else instant.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("is no time such as 2026-01-31 or 2026-01-31T12:00:00Z") from None


class MomentType(LocalTimeType):
    """When something takes effect: one of a few words, or an instant."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def read(self, text: str) -> datetime | str:
        """The word, or the instant."""
        return text if text in self._words else super().read(text)


class JsonObjectType(_Kind):
    """A JSON object, whose numbers stay the text that they are spelled with: no float comes between."""

    name = "json"

    def read(self, text: str) -> dict[str, Any]:
        """The JSON object, with its numbers as text."""
        import json  # late, as help needs none

        try:
            found = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ValueError("must be a JSON object")  # noqa: TRY004  click's kinds raise ValueError
        return found


class PriceOfType(JsonObjectType):
    """A usage type and a price for it."""

    name = "type=json"

    def read(self, text: str) -> tuple[str, dict[str, Any]]:  # type: ignore[override]
        """The usage type and its price."""
        usage_type, _, price = text.partition("=")
        if not is_identifier(usage_type):
            raise ValueError("must be TYPE=JSON, such as report={...}")
        return usage_type, super().read(price)


class SpanType(_Kind):
    """A length of time."""

    name = "span"

    def read(self, text: str) -> timedelta:
        """The length of time: a number with s, m, h or d."""
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValueError("is no span such as 90s, 30m, 24h or 7d")
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class SinceType(_Kind):
    """A time, or how long ago it was."""

    name = "time"

    def read(self, text: str) -> datetime | timedelta:
        """The instant, aware and in UTC, or the length of time before now."""
        if _SPAN.fullmatch(text):
            return SPAN.read(text)
        try:
            return TIME.read(text)
        except ValueError:
            raise ValueError("is neither a span such as 30m or 2d nor a time such as 2026-01-31T12:00:00Z") from None


class DecimalType(_Kind):
    """An exact decimal, not negative."""

    name = "decimal"

    def __init__(self, *, maximum: Decimal, none: str | None = None) -> None:
        self._maximum = maximum
        self._none = none

    def read(self, text: str) -> Decimal | None:
        """The decimal that ``text`` spells; None for the word that stands for none."""
        if text == self._none:
            return None
        try:
            return parse_decimal(text, maximum=self._maximum)
        except NotADecimal as error:
            raise ValueError(str(error)) from None


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("has no offset")
    return instant


def in_zone(moment: Any, zone: str) -> Any:
    """A time without an offset as the instant at which the clocks of ``zone`` show it; everything else as it is."""
    if not isinstance(moment, datetime) or moment.tzinfo is not None:
        return moment
    from usage_billing.core.periods import local_instant

    return local_instant(moment, zone=zone)


IDENTIFIER = IdentifierType()
NEW_IDENTIFIER = NewIdentifierType()
NAME = REASON = NameType()
UNIT = NameType(MAX_UNIT_NAME)
KEY_NAME = NameType(MAX_KEY_NAME)
EMAIL = EmailType()
DIGEST = DigestType()
TIME = TimeType()
TIME_OR_NEVER = TimeOrNeverType()
SOURCE = SourceType()
LOCAL_TIME = LocalTimeType()
SPAN = SpanType()
SINCE = SinceType()
MOMENT = MomentType(NOW, PERIOD_END)
EFFECTIVE = MomentType(*(word.value for word in Effective if word != Effective.INSTANT))
PRICE_JSON = JSON_OBJECT = JsonObjectType()
PRICE_OF = PriceOfType()
PRICE = DecimalType(maximum=MAX_PRICE)
METHOD = NameType(MAX_METHOD)
AMOUNT = QUANTITY = DecimalType(maximum=MAX_QUANTITY)
LIMIT = DecimalType(maximum=MAX_QUANTITY, none="none")
