"""What usage wants from wallets in money, window by window, of charges that are reckoned for a whole group. Pure.

A *group* is what is charged as one quantity: the segments of a period that have the same price. Where windows divide it
in time, a window wants what the rounded running charge of the group rises by in it, and never more than is due in all.
So no need is negative, and all of them add up to the charge, also where a volume price falls. What a minimum adds is
wanted when the group begins.

Source: docs/prepaid.md, "Wallets in money".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from usage_billing.core.decimals import EXACT
from usage_billing.rating.engine import rate
from usage_billing.rating.price import Price

_NOTHING = Decimal(0)


class Window(NamedTuple):
    """What a window of a segment has beyond the allowance, in so many recordings, that was not paid for in units."""

    start: datetime
    quantity: Decimal
    recordings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargedSegment:
    """A segment of a group: ``amount`` is what the group comes to with it. It begins where its first window does."""

    summary_id: int
    amount: Decimal
    windows: Sequence[Window]


class WantedMoney(NamedTuple):
    """What a window of a summary wants."""

    summary_id: int
    start: datetime
    amount: Decimal


def wanted(
    segments: Sequence[ChargedSegment], price: Price | None, *, currency: str, earlier: bool = False
) -> list[WantedMoney]:
    """What each window of a group wants, in order.

    ``price`` is that by which all of the group comes to the amount of its last segment. Without one, as where each
    recording or each cell is charged by itself, a segment wants all it adds when it begins. With ``earlier`` the
    windows have what had arrived by an earlier moment and the amounts are of now: all comes to what it did then.
    """
    last = segments[-1].amount
    if price is None:
        running = [(one.summary_id, one.windows[0].start, one.amount) for one in segments]
        return _rises(running, at_most=last)
    plain = replace(price, minimum=None)
    points: list[tuple[int, datetime, Decimal]] = []
    quantity, recordings = _NOTHING, 0
    for segment in segments:
        for window in segment.windows:
            quantity, recordings = EXACT.add(quantity, window.quantity), recordings + window.recordings
            amount = rate(plain, quantity, recordings=recordings, currency=currency).amount
            points.append((segment.summary_id, window.start, amount))
    if earlier:
        last = rate(price, quantity, recordings=recordings, currency=currency).amount
    found = _rises(points, at_most=min(last, points[-1][2]))
    added = EXACT.subtract(last, points[-1][2])
    if added > 0:
        first = found[0]
        found[0] = first._replace(amount=EXACT.add(first.amount, added))
    return found


def _rises(points: Sequence[tuple[int, datetime, Decimal]], *, at_most: Decimal) -> list[WantedMoney]:
    found: list[WantedMoney] = []
    highest = before = _NOTHING
    for summary_id, start, amount in points:
        highest = max(highest, amount)
        reached = max(min(highest, at_most), _NOTHING)
        found.append(WantedMoney(summary_id, start, EXACT.subtract(reached, before)))
        before = reached
    return found
