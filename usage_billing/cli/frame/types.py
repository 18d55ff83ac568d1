"""Types of arguments: click refuses a wrong one as a usage error before the command opens anything."""

import re
from decimal import Decimal
from typing import Any

from usage_billing.cli.frame.kind import Kind
from usage_billing.core.choices import INTERVALS
from usage_billing.core.decimals import MAX_PRICE, MAX_QUANTITY, NotADecimal, parse_decimal
from usage_billing.core.identifiers import (
    IDENTIFIER_RULE,
    KEY_RULE,
    NEW_IDENTIFIER_RULE,
    is_identifier,
    is_new_identifier,
    kept_key,
)
from usage_billing.core.limits import MAX_COUNT, MAX_EMAIL, MAX_KEY_NAME, MAX_METHOD, MAX_NAME, MAX_UNIT_NAME, is_email

_DIGEST = re.compile(r"[0-9a-f]{64}")
_FEW = 20  # digits of a whole number that is read as one


class IdentifierType(Kind):
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


class NameType(Kind):
    """Text for people, that the database can keep."""

    name = "text"

    def __init__(self, longest: int = MAX_NAME) -> None:
        self._longest = longest

    def read(self, text: str) -> str:
        """The text itself."""
        if not 1 <= len(text) <= self._longest or not text.isprintable():
            raise ValueError(f"must be 1 to {self._longest} printable characters")
        return text


class EmailType(Kind):
    """An e-mail address; only its form is checked."""

    name = "email"

    def read(self, text: str) -> str:
        """The text itself."""
        if not is_email(text) or len(text) > MAX_EMAIL or not text.isprintable():
            raise ValueError("is no e-mail address")
        return text


class DigestType(Kind):
    """The digest of a billing run: 64 hexadecimal digits."""

    name = "digest"

    def read(self, text: str) -> str:
        """The text itself."""
        if _DIGEST.fullmatch(text) is None:
            raise ValueError("is no digest: 64 hexadecimal digits")
        return text


class SourceType(Kind):
    """The source of recordings, as it is kept."""

    name = "text"

    def read(self, text: str) -> str:
        """The text itself, or its hash if it is long."""
        kept = kept_key(text)
        if kept is None:
            raise ValueError(KEY_RULE)
        return kept


class JsonObjectType(Kind):
    """A JSON object, whose numbers stay the text that they are spelled with: no float comes between."""

    name = "json"

    @staticmethod
    def number(text: str) -> Any:
        """A number, as it is spelled."""
        return text

    def read(self, text: str) -> dict[str, Any]:
        """The JSON object, with its numbers as text."""
        import json  # late, as help needs none

        from usage_billing.core.json_names import RepeatedName, once

        try:
            found = json.loads(
                text, parse_float=self.number, parse_int=self.number, parse_constant=str, object_pairs_hook=once
            )
        except RepeatedName:
            raise
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise ValueError("must be a JSON object")  # noqa: TRY004  click's kinds raise ValueError
        return found


class ExactJsonType(JsonObjectType):
    """A JSON object whose numbers are exact decimals, and no texts: a cell of a price may name the number 1 or "1"."""

    @staticmethod
    def number(text: str) -> int | Decimal:
        """The number that ``text`` spells; the few digits of a whole one as such."""
        return int(text) if len(text) <= _FEW and text.lstrip("-").isdigit() else Decimal(text)


class PriceOfType(ExactJsonType):
    """A usage type and a price for it."""

    name = "type=json"

    def read(self, text: str) -> tuple[str, dict[str, Any]]:  # type: ignore[override]
        """The usage type and its price."""
        usage_type, _, price = text.partition("=")
        if not is_identifier(usage_type):
            raise ValueError("must be TYPE=JSON, such as report={...}")
        return usage_type, super().read(price)


class ValidityType(Kind):
    """How long what is bought holds: ``1 year``, or ``month``."""

    name = "interval"

    def read(self, text: str) -> tuple[int, str]:
        """The count and the interval."""
        count, _, interval = text.strip().rpartition(" ")
        if interval not in INTERVALS or not re.fullmatch("[0-9]{0,3}", count) or not 1 <= int(count or 1) <= MAX_COUNT:
            raise ValueError(f"is none: say '1 year' or 'month', at most {MAX_COUNT} of {', '.join(INTERVALS)}")
        return int(count or 1), interval


class DecimalType(Kind):
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


IDENTIFIER = IdentifierType()
NEW_IDENTIFIER = NewIdentifierType()
NAME = REASON = NameType()
UNIT = NameType(MAX_UNIT_NAME)
KEY_NAME = NameType(MAX_KEY_NAME)
EMAIL = EmailType()
DIGEST = DigestType()
SOURCE = SourceType()
JSON_OBJECT = JsonObjectType()
PRICE_JSON = EXACT_JSON = ExactJsonType()
PRICE_OF = PriceOfType()
PRICE = DecimalType(maximum=MAX_PRICE)
METHOD = NameType(MAX_METHOD)
AMOUNT = QUANTITY = DecimalType(maximum=MAX_QUANTITY)
LIMIT = DecimalType(maximum=MAX_QUANTITY, none="none")
VALIDITY = ValidityType()
