"""The rule that divides usage at the allowance. Pure.

Source: the founding document, recording flow, steps 4 and 5.
"""

from decimal import Decimal

from usage_billing.core.decimals import EXACT

_NOTHING = Decimal(0)


def beyond(total: Decimal, limit: Decimal | None) -> Decimal:
    """How much of ``total`` lies beyond ``limit``; 0 when ``limit`` is None."""
    if limit is None or total <= limit:
        return _NOTHING
    return EXACT.subtract(total, limit)


def beyond_of_next(before: Decimal, quantity: Decimal, limit: Decimal | None) -> Decimal:
    """How much of a recording of ``quantity`` lies beyond ``limit`` when ``before`` was recorded already.

    Over any sequence of recordings the results add up to ``beyond`` of their total.
    """
    if limit is None:
        return _NOTHING
    after = EXACT.add(before, quantity)
    if after <= limit:
        return _NOTHING
    return quantity if before >= limit else EXACT.subtract(after, limit)
