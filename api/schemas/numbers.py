"""Fields that are numbers: exact decimals, money, whole numbers."""

from decimal import Decimal
from typing import Any

from api.schemas.base import CodedText, Field, wrong
from usage_billing.core.decimals import MAX_QUANTITY, MOST_DIGITS, PLACES, NotADecimal, parse_decimal, parse_number

_DIGITS = 10


class Amount(Field):
    """An exact decimal, in as number or string, out as string."""

    default_error_messages = {"null": CodedText("must be a decimal number", "not_a_decimal")}

    def __init__(
        self, *, positive: bool = False, maximum: Decimal = MAX_QUANTITY, places: int = PLACES, **options: Any
    ) -> None:
        super().__init__(**options)
        self.positive = positive
        self.maximum = maximum
        self.places = places
        self.openapi = {
            "type": ["string", "number"],
            "pattern": _pattern(maximum, places, positive=positive),
            "minimum": 10**-places if positive else 0,
            "maximum": int(maximum),
            "description": f"Of at most {places} decimal places. A text may have an exponent of at most three digits.",
        }

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise wrong("must be a decimal number", "not_a_decimal")
        try:
            amount = self._read(value)
        except NotADecimal as error:
            raise wrong(str(error), "not_a_decimal") from error
        if self.positive and amount == 0:
            raise wrong("must be more than 0", "out_of_range")
        return amount

    def _read(self, value: str | int | Decimal) -> Decimal:
        text = value if isinstance(value, str) else str(value)
        return parse_decimal(text, maximum=self.maximum, places=self.places)


def _pattern(maximum: Decimal, places: int, *, positive: bool) -> str:
    """The texts that spell such an amount. How large one with an exponent is, a pattern cannot tell.

    ``maximum`` is a power of ten. Zeros may end the decimal places, as many as are written at all.
    """
    digits = len(str(int(maximum))) - 1
    part = rf"0\.[0-9]{{0,{places - 1}}}[1-9]0{{0,{MOST_DIGITS - places}}}"
    whole = rf"[1-9][0-9]{{0,{digits - 1}}}(\.[0-9]{{1,{places}}}0{{0,{MOST_DIGITS - places}}})?"
    greatest, zero = rf"10{{{digits}}}(\.0{{1,{MOST_DIGITS}}})?", rf"-?0(\.0{{1,{MOST_DIGITS}}})?"
    any_part = rf"0\.[0-9]{{0,{MOST_DIGITS - 1}}}[1-9]"
    any_whole = rf"[1-9][0-9]{{0,{MOST_DIGITS - 1}}}(\.[0-9]{{1,{MOST_DIGITS}}})?"
    scaled, exponent = [any_part, any_whole], "[eE][+-]?[0-9]{1,3}"
    if positive:
        return f"^({part}|{whole}|{greatest}|({'|'.join(scaled)}){exponent})$"
    return f"^({part}|{whole}|{greatest}|{zero}|({'|'.join([*scaled, zero])}){exponent})$"


class Used(Amount):
    """The quantity of a recording: a number is rounded to the places that are kept, a string is exact."""

    def _read(self, value: str | int | Decimal) -> Decimal:
        return super()._read(value) if isinstance(value, str) else parse_number(str(value), maximum=self.maximum)


class Quantity(Field):
    """A quantity or a unit price on its way out: exact, without trailing zeros."""

    openapi = {"type": "string", "examples": ["53"]}


class Money(Field):
    """An amount in the currency of the object that holds it, with all digits of its minor unit."""

    openapi = {"type": "string", "examples": ["30.00"]}


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
        if isinstance(value, Decimal) and abs(value) <= self.maximum and value == int(value):
            value = int(value)  # JSON Schema takes 1.0 for a whole number, and so do senders that know no other kind
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong("must be a whole number", "not_a_whole_number")
        if not self.minimum <= value <= self.maximum:
            raise wrong(f"must be {self.minimum} to {self.maximum}", "out_of_range")
        return value
