"""Exact decimals: how they are read, and the context in which they are calculated.

Python's default context rounds to 28 digits without a word. Here nothing is rounded unless the code asks for it:
``EXACT`` raises decimal.Inexact at the first digit that would be lost.
"""

import re
from collections.abc import Iterable
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

PLACES = 12
"""Decimal places kept of a quantity and of a unit price. More are refused, never rounded away."""

MAX_QUANTITY = Decimal(10) ** 15
"""The largest quantity of one recording, and the largest allowance."""

MAX_PRICE = Decimal(10) ** 12
"""The largest unit price, in units of the currency."""

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?")


class NotADecimal(ValueError):
    """The text does not spell a decimal that we keep; the message says why."""


def parse_decimal(text: str, *, maximum: Decimal, places: int = PLACES) -> Decimal:
    """Read ``text`` as the exact decimal that it spells, at most ``maximum`` and not negative.

    Raises NotADecimal for anything but ASCII digits in JSON's spelling, for a value out of range and for
    more than ``places`` decimal places (trailing zeros do not count).
    """
    if _PLAIN.fullmatch(text) is None:
        raise NotADecimal("must be a decimal number")
    value = Decimal(text)
    if value.is_signed() and value != 0:
        raise NotADecimal("must not be negative")
    if value > maximum:
        raise NotADecimal(f"must be at most {maximum:f}")
    value = strip_zeros(value)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > places:
        raise NotADecimal(f"must have at most {places} decimal places")
    return value


def sum_of(values: Iterable[Decimal]) -> Decimal:
    """All of them together, exactly."""
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, value)
    return total


def strip_zeros(value: Decimal) -> Decimal:
    """``value`` without trailing zeros or an exponent: ``1E+3`` becomes 1000, ``2.50`` becomes 2.5."""
    if value == 0:
        return Decimal(0)
    stripped = EXACT.normalize(value)
    exponent = stripped.as_tuple().exponent
    return EXACT.quantize(stripped, Decimal(1)) if isinstance(exponent, int) and exponent > 0 else stripped


def plain(value: Decimal) -> str:
    """How a quantity or price is written on the wire: no exponent, no trailing zeros."""
    if not value:
        return "0"
    text = str(value)
    if "E" in text:
        text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
