"""One quantity, one price: how the segments of a billing period are charged when changes cut it. Pure.

The segments of a usage type whose price is equal are a *group*, wherever they lie in the period. A group is charged
as one quantity, and each of its segments bears what it adds: the amount for all up to it, less that for all before.
So tiers, packages, flat amounts, a minimum and a maximum hold once, whatever was cut in between.

Where prices differ within the period, minimums and flat amounts are divided by shares of the time that was not
paused, and a maximum is used up like an allowance: what earlier ones and the rest of this one come to, as the plan of
the segment measures time. A maximum never gives back what was charged when its price was taken up.

Source: docs/billing.md, "Prices in a period that is cut".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from usage_billing.core.decimals import EXACT
from usage_billing.core.money import round_to_minor_unit
from usage_billing.core.proration import part_of, rounded
from usage_billing.rating.currency import minor_unit
from usage_billing.rating.engine import rate
from usage_billing.rating.price import Price

_NOTHING = Decimal(0)
Way = tuple[str, bool]
"""How a plan divides: by which method, and whether the time before the subscription counts as a part of the period."""
BY_TIME: Way = ("time", False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What lies beyond the allowance in one segment, and the price that holds in it (None: nothing is charged).

    ``of`` is the whole price of which ``price`` charges a part: the parts of different ones are different prices.
    ``first`` and ``last`` are the running shares of the period's unpaused time where it begins and ends; ``whole``:
    its plan divides nothing. ``way`` is how its plan divides, and ``by_way`` where it begins and ends as the period's
    plans of each way divide; without it all divide alike. ``each`` has the part of each recording that lies beyond,
    for a price that reads them.
    """

    price: Price | None
    first: Fraction = Fraction(0)
    last: Fraction = Fraction(1)
    whole: bool = False
    way: Way = BY_TIME
    by_way: Mapping[Way, tuple[Fraction, Fraction]] = field(default_factory=dict)
    quantity: Decimal = _NOTHING
    recordings: int = 0
    each: Sequence[Decimal] = ()
    of: Price | None = None

    @property
    def group(self) -> "_Key | None":
        """What cells that are charged as one quantity have in common; None where nothing is charged."""
        return None if self.price is None else (self.price, self.of)


_Key = tuple[Price, Price | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCharge:
    """What a segment is charged: ``amount``, what its group comes to with it, less ``before``, without it.

    ``price`` is the cell's with the group's parts of minimum, flat amounts and maximum in their places: by it, the
    quantity up to and with this cell costs ``amount``. The ``before_*`` are those of the group's earlier cells.
    """

    price: Price
    amount: Decimal
    before: Decimal
    before_quantity: Decimal
    before_recordings: int
    before_each: Sequence[Decimal] = ()

    @property
    def due(self) -> Decimal:
        """The charge; negative where more costs less, as by volume."""
        return EXACT.subtract(self.amount, self.before)


@dataclass(slots=True)
class _Group:
    """All cells of one price so far. ``free``: what they would come to without a maximum; ``charged``: with it."""

    price: Price
    quantity: Decimal = _NOTHING
    recordings: int = 0
    each: list[Decimal] = field(default_factory=list)
    free: Decimal = _NOTHING
    charged: Decimal = _NOTHING
    # As they stood when the run of neighbouring cells of this price and of one way to divide began.
    free_then: Decimal = _NOTHING
    charged_then: Decimal = _NOTHING


def charge_cells(cells: Sequence[Cell], *, currency: str) -> list[CellCharge | None]:
    """What each segment of a period is charged, in order; None where nothing is."""
    keys = {cell.group for cell in cells}
    if len(keys) == 1:
        groups = {key: _Group(key[0].capped(None)) for key in keys if key is not None}
        cap = next((price.maximum for price, _ in groups), None)
        return [_charge(cell, groups, cap, currency) for cell in cells]
    return _charge_divided(cells, currency)


def _charge_divided(cells: Sequence[Cell], currency: str) -> list[CellCharge | None]:
    groups = {
        key: _Group(_price_of(key[0], [cell for cell in cells if cell.group == key], currency).capped(None))
        for key in {cell.group for cell in cells}
        if key is not None
    }
    found: list[CellCharge | None] = []
    used_up: dict[Way, Fraction] = {}  # of maximums so far, as each way measures it
    capped, running = _NOTHING, None
    for cell in cells:
        price, key = cell.price, cell.group
        if price is None or key is None:
            found.append(None)
            running = None
            continue
        group = groups[key]
        if (key, cell.way) != running:
            group.free_then, group.charged_then, running = group.free, group.charged, (key, cell.way)
        if price.maximum is None:
            found.append(_charge(cell, groups, None, currency))
            continue
        whole = Fraction(price.maximum)
        cap = whole if cell.whole else used_up.get(cell.way, Fraction(0)) + whole * (1 - cell.first)
        for way, (first, last) in (cell.by_way or {cell.way: (cell.first, cell.last)}).items():
            used_up[way] = used_up.get(way, Fraction(0)) + whole * (last - first)
        others = EXACT.subtract(capped, group.charged)
        bound = EXACT.subtract(rounded(cap, minor_unit(currency)), others)
        charge = _charge(cell, groups, bound, currency)
        capped = EXACT.add(others, group.charged)
        found.append(charge)
    return found


def _price_of(price: Price, cells: Sequence[Cell], currency: str) -> Price:
    """The price with the parts of its minimum and flat amounts that fall to the cells of its group."""
    if cells[0].whole:
        return price
    places = minor_unit(currency)

    def part(amount: Decimal) -> Decimal:
        total = _NOTHING
        for cell in cells:
            total = EXACT.add(total, part_of(amount, cell.first, cell.last, places=places))
        return total

    return price.divided(part)


def _charge(cell: Cell, groups: dict[_Key, _Group], cap: Decimal | None, currency: str) -> CellCharge | None:
    """Add a cell to its group. ``cap``: the group may come to no more.

    What it was charged when the run began is not given back.
    """
    if cell.group is None:
        return None
    group = groups[cell.group]
    before = (group.charged, group.quantity, group.recordings, tuple(group.each))
    group.quantity = EXACT.add(group.quantity, cell.quantity)
    group.recordings += cell.recordings
    group.each += cell.each
    free = rate(group.price, group.quantity, recordings=group.recordings, currency=currency, each=group.each).amount
    group.free, price = free, group.price
    if cap is None:
        group.charged = free
    else:
        bound = max(cap, group.charged_then)
        # What an earlier maximum forgave is not charged later: no more comes on top than what was used on top.
        further = EXACT.add(group.charged_then, max(_NOTHING, EXACT.subtract(free, group.free_then)))
        if further < min(free, bound):
            bound = further
        price = price.capped(bound)
        group.charged = round_to_minor_unit(min(free, bound), minor_unit(currency))
    return CellCharge(
        price=price,
        amount=group.charged,
        before=before[0],
        before_quantity=before[1],
        before_recordings=before[2],
        before_each=before[3],
    )
