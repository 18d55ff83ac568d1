"""A whole billing period of one usage type, reckoned from terms and totals. Pure.

Drafts, the upcoming invoice, the estimate of a usage line and what-if all come from here.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from usage_billing.core.choices import BY_TIME, NOT_AT_ALL
from usage_billing.core.periods import Period
from usage_billing.core.proration import share_until
from usage_billing.invoicing.by_cell import ChargeOfSegment, Measured, charge_by_dimension, model_of
from usage_billing.rating.engine import stored_price
from usage_billing.rating.groups import Cell, Way, charge_cells
from usage_billing.rating.pricing.by_dimension import is_by_dimension
from usage_billing.subscriptions.agreement import AgreedPeriod, AgreedSegment


def charge_period(
    agreed: AgreedPeriod,
    measured: Sequence[Measured],
    *,
    currency: str,
    price: Mapping[str, Any] | None = None,
) -> list[ChargeOfSegment]:
    """What each segment is charged, in order. ``price`` stands in for what was agreed."""
    cells: list[Cell] = []
    shares = _unpaused_shares(agreed)
    for index, (part, found) in enumerate(zip(agreed.parts, measured, strict=True)):
        by_way = {way: running[index] for way, running in shares.items()}
        way = (part.method, part.prorates_edges)
        holds = part.price if price is None or part.price is None else price
        cells.append(
            Cell(
                price=None if holds is None else stored_price(holds),
                first=by_way[way][0],
                last=by_way[way][1],
                whole=part.method == NOT_AT_ALL,
                way=way,
                by_way=by_way,
                quantity=found.quantity,
                recordings=found.recordings,
                each=found.each,
            )
        )
    if any(model_of(cell) is not None for cell in cells):
        return charge_by_dimension(agreed, cells, measured, currency=currency)
    return [ChargeOfSegment(charge) for charge in charge_cells(cells, currency=currency)]


def has_cells(agreed: AgreedPeriod) -> bool:
    """Whether a price of the period charges by dimension."""
    return any(part.price is not None and is_by_dimension(part.price) for part in agreed.parts)


def carries_minimum(agreed: AgreedPeriod, part: AgreedSegment) -> bool:
    """Whether a segment is the first of its price in the period, and that price has a minimum: due without any use."""
    if part.price is None or not stored_price(part.price).bears_minimum:
        return False
    price = stored_price(part.price)
    return next(one for one in agreed.parts if one.price and stored_price(one.price) == price).start == part.start


def _unpaused_shares(agreed: AgreedPeriod) -> dict[Way, list[tuple[Fraction, Fraction]]]:
    """The running shares of the time that was not paused at which each segment begins and ends.

    They are measured by each way in which the period's plans divide. The time after the subscription's end counts as
    the last segment's, for an end divides nothing.
    """
    ways = {(part.method, part.prorates_edges) for part in agreed.parts}
    if len(agreed.parts) == 1:
        return {way: [(Fraction(0), Fraction(1))] for way in ways}
    return {way: _running_shares(agreed, *way) for way in ways}


def _running_shares(agreed: AgreedPeriod, method: str, edges: bool) -> list[tuple[Fraction, Fraction]]:
    start = agreed.period.start if edges else max(agreed.period.start, agreed.begun)
    subscribed = Period(start, agreed.period.end)
    found: list[tuple[Fraction, Fraction]] = []
    running = Fraction(0)
    for part in agreed.parts:
        end = agreed.period.end if part is agreed.parts[-1] and part.end == agreed.ended else part.end
        begins, ends = (share_until(at, subscribed, method=method, zone=agreed.zone) for at in (part.start, end))
        found.append((running, running + ends - begins))
        running += ends - begins
    if running:
        return [(first / running, last / running) for first, last in found]
    # All of it lies within one local day.
    return _running_shares(agreed, BY_TIME, edges)
