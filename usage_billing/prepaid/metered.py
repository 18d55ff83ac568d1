"""What the windows of a meter want from a wallet in units. Pure.

A meter has a total and no marks of single recordings: its allowance is used up in the order of time. A window wants
what the total so far rises by beyond the allowance, and never more than lies beyond it in all. So no need is negative,
and all of them add up to what lies beyond, also where values are below zero.

Source: docs/prepaid.md, "Wallets of meters".
"""

from collections.abc import Sequence
from decimal import Decimal

from usage_billing.core.decimals import EXACT

_NOTHING = Decimal(0)


def wanted_by_window(counted: Sequence[Decimal], *, total: Decimal, beyond: Decimal) -> list[Decimal]:
    """What each window wants; ``counted`` is what was counted in each, of which ``beyond`` of ``total`` lies beyond."""
    within = EXACT.subtract(total, beyond)
    found: list[Decimal] = []
    so_far = highest = wanted = _NOTHING
    for part in counted:
        so_far = EXACT.add(so_far, part)
        highest = max(highest, EXACT.subtract(so_far, within))
        reached = min(highest, beyond)
        found.append(EXACT.subtract(reached, wanted))
        wanted = reached
    found[-1] = EXACT.add(found[-1], EXACT.subtract(beyond, wanted))
    return found
