"""Lines of usage page by page, with sums over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from usage_billing.core.decimals import EXACT
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit
from usage_billing.reports.usage import UsageLine

MAX_LINES = 1000
"""How many lines an answer shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePage:
    """Some lines. ``next`` is the position after them, None when no more follow; ``totals`` are over all lines."""

    lines: Sequence[UsageLine]
    next: tuple[int] | None
    totals: dict[str, str]


def page_of_lines(lines: Sequence[UsageLine], *, after: int) -> UsagePage:
    """Up to ``MAX_LINES`` from position ``after`` on, and the estimated charges of all, by currency."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.currency] = EXACT.add(sums.get(line.currency, Decimal(0)), line.estimated_charge)
    end = after + MAX_LINES
    return UsagePage(
        lines=lines[after:end],
        next=(end,) if end < len(lines) else None,
        totals={code: money_text(amount, minor_unit(code)) for code, amount in sorted(sums.items())},
    )
