"""Fields that are numbers: exact decimals, money, whole numbers."""

from decimal import Decimal
from typing import Any

from api.schemas.base import CodedText, Field, wrong
from usage_billing.core.decimals import MAX_QUANTITY, PLACES, NotADecimal, parse_decimal, parse_number

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
        digits = f"[1-9][0-9]{{0,{len(str(int(maximum))) - 2}}}"
        behind = rf"(\.[0-9]{{1,{places}}})?"
        least = rf"0\.[0-9]{{0,{places - 1}}}[1-9]"
        # Exponents are read too, and are left out here: how large such a number is, a pattern cannot tell.
        self.openapi = {
            "type": ["string", "number"],
            "pattern": f"^({digits}{behind}|{least})$" if positive else f"^(0|{digits}){behind}$",
            "minimum": 10**-places if positive else 0,
            "maximum": int(maximum),
            "description": f"Of at most {places} decimal places.",
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
