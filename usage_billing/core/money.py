"""Money's one rounding rule."""

from decimal import Decimal

from usage_billing.core.decimals import round_half_up


def round_to_minor_unit(amount: Decimal, digits: int) -> Decimal:
    """``amount`` rounded half up (away from zero at the half) to ``digits`` decimal places.

    An invoice item goes through it once.
    """
    return round_half_up(amount, digits)


def money_text(amount: Decimal, digits: int) -> str:
    """How an amount is written on the wire: all digits of the minor unit, ``30.00``."""
    return f"{round_to_minor_unit(amount, digits):f}"
