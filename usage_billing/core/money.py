"""Money's one rounding rule."""

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from functools import cache

_ROUNDING = Context(prec=200, rounding=ROUND_HALF_UP, traps=[InvalidOperation])


def round_to_minor_unit(amount: Decimal, digits: int) -> Decimal:
    """``amount`` rounded half up (away from zero at the half) to ``digits`` decimal places.

    The only rounding in the system; an invoice item goes through it once.
    """
    return _ROUNDING.quantize(amount, _minor_unit(digits))


def money_text(amount: Decimal, digits: int) -> str:
    """How an amount is written on the wire: all digits of the minor unit, ``30.00``."""
    return f"{round_to_minor_unit(amount, digits):f}"


@cache
def _minor_unit(digits: int) -> Decimal:
    return Decimal(1).scaleb(-digits)
