"""Exact decimals: how they are read, and the context in which they are calculated.

Python's default context rounds to 28 digits without a word. Here nothing is rounded unless the code asks for it:
``EXACT`` raises decimal.Inexact at the first digit that would be lost.
"""

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import cache

PLACES = 12
"""Decimal places kept of a quantity and of a unit price."""

MAX_QUANTITY = Decimal(10) ** 15
"""The largest quantity of one recording, and the largest allowance."""

MAX_PRICE = Decimal(10) ** 12
"""The largest unit price, in units of the currency."""

_ROUNDING = Context(prec=200, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])

MOST_DIGITS = 40
"""A decimal is read with so many digits before its point, and with so many behind it."""

_PLAIN = re.compile(
    rf"-?(?:0|[1-9][0-9]{{0,{MOST_DIGITS - 1}}})(?:\.[0-9]{{1,{MOST_DIGITS}}})?(?:[eE][+-]?[0-9]{{1,3}})?"
)

# A number of 40 digits behind the point and an exponent of three.
_ANY_PLACES = 1100


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


def parse_number(text: str, *, maximum: Decimal) -> Decimal:
    """Read a JSON number as ``parse_decimal`` does, and round it half up to ``PLACES`` places.

    Senders' divisions and floats have more places than are kept (``0.30000000000000004``); a number is not refused
    for them, a text is.
    """
    value = parse_decimal(text, maximum=maximum, places=_ANY_PLACES)
    return strip_zeros(round_half_up(value, PLACES))


def round_half_up(value: Decimal, places: int) -> Decimal:
    """``value`` rounded to ``places`` decimal places, away from zero at the half: the one rounding rule."""
    return _ROUNDING.quantize(value, _unit(places))


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


@cache
def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)
