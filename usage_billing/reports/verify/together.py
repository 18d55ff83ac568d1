"""Segments of one price charged as one quantity, once more in fractions, from docs/billing.md. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from iso4217 import Currency

from usage_billing.reports.verify.allowance import Bounds
from usage_billing.reports.verify.arithmetic import due
from usage_billing.reports.verify.calendar import share_over

NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Charged:
    """What of a segment lies beyond, and the price for it (None: nothing is ever charged)."""

    start: datetime
    end: datetime
    price: Mapping[str, Any] | None
    method: str
    edges: bool
    quantity: Decimal
    recordings: int
    each: Sequence[Decimal] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """What a segment is charged, and what its price was charged in the period before it."""

    amount: Decimal
    before_quantity: Decimal
    before_recordings: int


def dues(bounds: Bounds, ended: datetime | None, cells: Sequence[Charged], *, currency: str) -> list[Due]:
    """Each segment's. Raises one of UNREADABLE for a price that is none."""
    places: int = Currency(currency).exponent or 0
    divided = any(cell.price != cells[0].price for cell in cells)
    shares = [_share(bounds, ended, cells, index) for index in range(len(cells))]
    found: list[Due] = []
    for index, cell in enumerate(cells):
        mine = [at for at in range(index) if cells[at].price == cell.price]
        quantity = sum((cells[at].quantity for at in mine), NOTHING)
        count = sum(cells[at].recordings for at in mine)
        if cell.price is None:
            found.append(Due(NOTHING, NOTHING, 0))
            continue
        before = sum((found[at].amount for at in mine), NOTHING)
        price = {**cell.price, "maximumAmount": None}
        if divided:
            price |= _parts(cell.price, cells, shares, places)

        def comes_to(
            last: int, cells: Sequence[Charged] = cells, price: Mapping[str, Any] = price, **_: Any
        ) -> Decimal:
            these = [one for one in cells[: last + 1] if one.price == cells[last].price]
            return due(
                price,
                sum((one.quantity for one in these), NOTHING),
                sum(one.recordings for one in these),
                currency=currency,
                each=[part for one in these for part in one.each],
            )

        amount = comes_to(index)
        if cell.price.get("maximumAmount") is not None:
            amount = min(amount, _most(index, cells, shares, found, comes_to, places, divided=divided))
        found.append(Due(amount - before, quantity, count))
    return found


def _share(bounds: Bounds, ended: datetime | None, cells: Sequence[Charged], index: int) -> tuple[Fraction, Fraction]:
    """Where a segment begins and ends in the time that was not paused, as its own plan measures it."""
    method, edges = cells[index].method, cells[index].edges
    since = bounds.period[0] if edges else max(bounds.period[0], bounds.begun)

    def length(cell: Charged, method: str) -> Fraction:
        end = bounds.period[1] if cell is cells[-1] and cell.end == ended else cell.end
        part = (since, bounds.period[1])
        first, last = (share_over(part, at, method=method, zone=bounds.zone) for at in (cell.start, end))
        return last - first

    if not sum(length(cell, method) for cell in cells):
        method = "time"
    whole = sum(length(cell, method) for cell in cells)
    before = sum((length(cell, method) for cell in cells[:index]), Fraction(0))
    return before / whole, (before + length(cells[index], method)) / whole


def _half_up(amount: Fraction, places: int) -> Fraction:
    return Fraction(floor(amount * 10**places + Fraction(1, 2)), 10**places)


def _text(amount: Fraction) -> str:
    return f"{Decimal(amount.numerator) / Decimal(amount.denominator):f}"


def _parts(
    price: Mapping[str, Any], cells: Sequence[Charged], shares: Sequence[tuple[Fraction, Fraction]], places: int
) -> dict[str, Any]:
    """The minimum and the flat amounts of a price, as far as they fall to its segments."""
    mine = [at for at, cell in enumerate(cells) if cell.price == price]
    if cells[mine[0]].method == "none":
        return {}

    def part(text: Any) -> str:
        amount = Fraction(text)
        return _text(
            sum(
                (_half_up(amount * shares[at][1], places) - _half_up(amount * shares[at][0], places) for at in mine),
                Fraction(0),
            )
        )

    found = {name: part(price[name]) for name in ("minimumAmount", "amount") if price.get(name) is not None}
    if "tiers" in price:
        return {**found, "tiers": [{**tier, "flatFee": part(tier.get("flatFee") or "0")} for tier in price["tiers"]]}
    return dict(found)


def _most(
    index: int,
    cells: Sequence[Charged],
    shares: Sequence[tuple[Fraction, Fraction]],
    found: Sequence[Due],
    comes_to: Callable[[int], Decimal],
    places: int,
    *,
    divided: bool,
) -> Decimal:
    """How much the price of a segment may come to in the period, up to and with it."""
    cell = cells[index]
    capped = [at for at in range(index) if (cells[at].price or {}).get("maximumAmount") is not None]
    cap = _maximum(cell)
    if divided and cell.method != "none":
        cap = cap * (1 - shares[index][0])
        cap += sum((_maximum(cells[at]) * (shares[at][1] - shares[at][0]) for at in capped), Fraction(0))
    mine = [at for at in range(index) if cells[at].price == cell.price]
    others = sum((found[at].amount for at in capped if at not in mine), NOTHING)
    # Since the price was last taken up again: what its maximum forgave until then is not charged later.
    taken_up = index
    while taken_up and (cells[taken_up - 1].price is None or taken_up - 1 in mine):
        taken_up -= 1
    earlier = [at for at in mine if at < taken_up]
    then = sum((found[at].amount for at in earlier), NOTHING)
    came_to = comes_to(earlier[-1]) if earlier else NOTHING
    limit = _half_up(cap, places)
    room = Decimal(limit.numerator) / Decimal(limit.denominator) - others
    return min(max(room, then), then + max(comes_to(index) - came_to, NOTHING))


def _maximum(cell: Charged) -> Fraction:
    return Fraction((cell.price or {})["maximumAmount"])
