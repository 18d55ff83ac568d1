"""Segments of one price charged as one quantity, once more in fractions, from docs/billing.md. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from math import floor
from typing import Any

from iso4217 import Currency

from usage_billing.reports.verify.allowance import Bounds
from usage_billing.reports.verify.arithmetic import Same, due
from usage_billing.reports.verify.calendar import share_over

NOTHING = Decimal(0)
_Way = tuple[str, bool]
"""How plans divide: by which method, and whether the time before the subscription counts."""


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


@dataclass(slots=True)
class _Group:
    """All segments of one price so far; ``price`` has its parts of minimum and flat amounts, and no maximum.

    ``free`` is what they come to, and ``charged`` what the maximum leaves of it. ``then`` has both as they were when
    the price, or the way in which its plan divides, was last taken up.
    """

    price: Mapping[str, Any]
    quantity: Decimal = NOTHING
    recordings: int = 0
    each: list[Decimal] = field(default_factory=list)
    free: Decimal = NOTHING
    charged: Decimal = NOTHING
    then: tuple[Decimal, Decimal] = (NOTHING, NOTHING)

    def take(self, cell: Charged, currency: str) -> None:
        """Add one more segment, as if there were no maximum."""
        self.quantity += cell.quantity
        self.recordings += cell.recordings
        self.each += cell.each
        self.free = self.charged = due(self.price, self.quantity, self.recordings, currency=currency, each=self.each)

    def cap(self, most: Decimal) -> None:
        """It comes to no more. What was charged then stays, and what a maximum forgave then is not charged later."""
        free, charged = self.then
        self.charged = min(self.free, max(most, charged), charged + max(self.free - free, NOTHING))


def dues(bounds: Bounds, ended: datetime | None, cells: Sequence[Charged], *, currency: str) -> list[Due]:
    """Each segment's. Raises one of UNREADABLE for a price that is none."""
    places: int = Currency(currency).exponent or 0
    keys = [_key_of(Same(cell.price)) for cell in cells]
    divided = len(set(keys)) > 1
    caps = any(cell.price is not None and cell.price.get("maximumAmount") is not None for cell in cells)
    shares = _shares(bounds, ended, cells) if divided or caps else {}
    groups = {
        key: _Group(_price_of(key, keys, cells, shares, places) if divided else _uncapped(Same(price)))
        for key, price in {key: cell.price for key, cell in zip(keys, cells, strict=True)}.items()
        if price is not None
    }
    used_up = dict.fromkeys(shares, Fraction(0))  # of maximums so far, by way
    capped, running = NOTHING, None
    found: list[Due] = []
    for index, (cell, key) in enumerate(zip(cells, keys, strict=True)):
        if cell.price is None:
            found.append(Due(NOTHING, NOTHING, 0))
            running = None
            continue
        group, way = groups[key], _way(cell)
        if divided and running != (key, way):
            group.then, running = (group.free, group.charged), (key, way)
        before = (group.charged, group.quantity, group.recordings)
        group.take(cell, currency)
        if cell.price.get("maximumAmount") is not None:
            whole = Fraction(cell.price["maximumAmount"])
            first = shares[way][index][0]
            most = used_up[way] + whole * (1 - first) if divided and cell.method != "none" else whole
            group.cap(_decimal(_half_up(most, places)) - (capped - before[0]))
            used_up = {one: used_up[one] + whole * (shares[one][index][1] - shares[one][index][0]) for one in shares}
            capped += group.charged - before[0]
        found.append(Due(group.charged - before[0], before[1], before[2]))
    return found


@lru_cache(maxsize=4096)
def _key_of(price: Same) -> Any:
    return _frozen(price.thing)


@lru_cache(maxsize=4096)
def _uncapped(price: Same) -> Mapping[str, Any]:
    return {**price.thing, "maximumAmount": None}


def _way(cell: Charged) -> _Way:
    return cell.method, cell.edges


def _frozen(price: Any) -> Any:
    """What is equal for equal prices, and can be looked up."""
    if isinstance(price, Mapping):
        return frozenset((name, _frozen(value)) for name, value in price.items())
    return tuple(map(_frozen, price)) if isinstance(price, list) else price


def _shares(
    bounds: Bounds, ended: datetime | None, cells: Sequence[Charged]
) -> dict[_Way, list[tuple[Fraction, Fraction]]]:
    """Where each segment begins and ends in the time that was not paused, as plans of each way measure it."""
    return {way: _shares_by(bounds, ended, cells, way) for way in {_way(cell) for cell in cells}}


def _shares_by(
    bounds: Bounds, ended: datetime | None, cells: Sequence[Charged], way: _Way
) -> list[tuple[Fraction, Fraction]]:
    method, edges = way
    part = (bounds.period[0] if edges else max(bounds.period[0], bounds.begun), bounds.period[1])
    running = [Fraction(0)]
    for cell in cells:
        end = bounds.period[1] if cell is cells[-1] and cell.end == ended else cell.end
        first, last = (share_over(part, at, method=method, zone=bounds.zone) for at in (cell.start, end))
        running.append(running[-1] + last - first)
    if running[-1]:
        return [(first / running[-1], last / running[-1]) for first, last in pairwise(running)]
    return _shares_by(bounds, ended, cells, ("time", edges))  # all of it lies within one local day


def _half_up(amount: Fraction, places: int) -> Fraction:
    return Fraction(floor(amount * 10**places + Fraction(1, 2)), 10**places)


def _decimal(amount: Fraction) -> Decimal:
    return Decimal(amount.numerator) / Decimal(amount.denominator)


def _price_of(
    key: Any,
    keys: Sequence[Any],
    cells: Sequence[Charged],
    shares: Mapping[_Way, Sequence[tuple[Fraction, Fraction]]],
    places: int,
) -> dict[str, Any]:
    """A price with what of its minimum and its flat amounts falls to its segments, and without its maximum."""
    mine = [at for at, one in enumerate(keys) if one == key]
    price = {**(cells[mine[0]].price or {}), "maximumAmount": None}
    if cells[mine[0]].method == "none":
        return price

    def part(text: Any) -> str:
        amount, total = Fraction(text), Fraction(0)
        for at in mine:
            first, last = shares[_way(cells[at])][at]
            total += _half_up(amount * last, places) - _half_up(amount * first, places)
        return f"{_decimal(total):f}"

    price |= {name: part(price[name]) for name in ("minimumAmount", "amount") if price.get(name) is not None}
    if "tiers" in price:
        price["tiers"] = [{**tier, "flatFee": part(tier.get("flatFee") or "0")} for tier in price["tiers"]]
    return price
