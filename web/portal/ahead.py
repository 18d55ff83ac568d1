"""What a period comes to if it goes on as it went so far: an estimate of quantities, and of what they would cost."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from usage_billing.core.decimals import EXACT
from usage_billing.rating.engine import rate, stored_price
from usage_billing.reports.usage import UsageLine

# Parts of the period that must be over before its rate says something.
_EARLY = 20


def at_this_rate(line: UsageLine, now: datetime) -> Decimal | None:
    """What is used by the end of the period, in whole units; None where it is too early to say, or too late."""
    whole, gone = line.period_end - line.period_start, now - line.period_start
    if not line.used or gone * _EARLY < whole or now >= line.period_end:
        return None
    seconds = Decimal(int(whole.total_seconds())) / Decimal(max(1, int(gone.total_seconds())))
    return max(line.used, (line.used * seconds).to_integral_value())


def growth(line: UsageLine, ahead: Decimal | None, price: Mapping[str, object] | None) -> Decimal | None:
    """What a line would cost beyond what it costs now, once ``ahead`` is used; None where that cannot be said.

    It cannot where usage does not add up, where the period was cut, where a wallet pays, and where the price looks at
    recordings one by one or at cells.
    """
    if line.limit is None or not line.used:
        return Decimal(0)
    read = None if price is None else stored_price(price)
    sums_alone = read is not None and not read.reads_each and not read.model.counts_recordings
    if ahead is None or read is None or not sums_alone or line.used_before or line.covered or line.cells is not None:
        return None
    beyond = max(line.overage, EXACT.subtract(ahead, line.limit))
    now, then = (
        rate(read, quantity, recordings=1 if quantity else 0, currency=line.currency, each=()).amount
        for quantity in (line.overage, beyond)
    )
    return EXACT.subtract(then, now)
