"""A price for each part of a meter's total, by dimensions: the first cell that a series meets is its cell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Self

from usage_billing.core.decimals import EXACT, PLACES, sum_of
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.base import Fields, Line, ReadsSums
from usage_billing.rating.pricing.priced_cell import BY_DIMENSION, DEFAULT, PricedCell, parse_cell, parse_cell_price

if TYPE_CHECKING:
    from usage_billing.rating.price import Price

IN_ORDER, IN_PROPORTION, BY_LIMIT = ALLOWANCES = ("in_order", "in_proportion", "limit")
"""How the allowance goes over the cells: used up as they are listed, by their shares, or each has its own limit."""

MAX_CELLS = 100
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class ByDimension(ReadsSums):
    """Each cell charges its own total beyond the allowance by its own price."""

    name: ClassVar[str] = BY_DIMENSION
    field_names: ClassVar[frozenset[str]] = frozenset({"cells", "default", "allowance"})
    cells: tuple[PricedCell, ...]
    default: "Price"
    allowance: str = IN_ORDER

    @classmethod
    def parse(cls, fields: Fields, *, pointer: str) -> Self:
        """Read ``{"cells": [{"name", "when", "price", "limit"?}], "default": {...}, "allowance"?}``.

        Raises InvalidInput.
        """
        allowance = fields.get("allowance", IN_ORDER)
        if allowance not in ALLOWANCES:
            message = f"must be one of: {', '.join(ALLOWANCES)}"
            raise InvalidInput.field(f"{pointer}/allowance", message, code="not_supported")
        given = fields.get("cells")
        if not isinstance(given, list) or not 1 <= len(given) <= MAX_CELLS:
            message = f"must be a list of 1 to {MAX_CELLS} cells"
            raise InvalidInput.field(f"{pointer}/cells", message, code="required")
        cells: list[PricedCell] = []
        for index, one in enumerate(given):
            where = f"{pointer}/cells/{index}"
            cell = parse_cell(one, where, limits=allowance == BY_LIMIT)
            for earlier in cells:
                if cell.name in {earlier.name, DEFAULT}:
                    raise InvalidInput.field(where, f"the name {cell.name} is taken", code="contradiction")
                if earlier.covers(cell):
                    message = f"the cell {earlier.name} covers all of it"
                    raise InvalidInput.field(where, message, code="contradiction")
            cells.append(cell)
        if fields.get("default") is None:
            message = "is required: it charges the series that meet no cell"
            raise InvalidInput.field(f"{pointer}/default", message, code="required")
        return cls(tuple(cells), parse_cell_price(fields["default"], f"{pointer}/default"), allowance)

    def fields(self) -> dict[str, Any]:
        """The model's own fields as they are stored and sent."""
        cells = [cell.fields() for cell in self.cells]
        return {"cells": cells, "default": self.default.fields(), "allowance": self.allowance}

    def divided(self, part: Callable[[Decimal], Decimal]) -> Self:
        """The minimums and flat amounts of its cells are divided."""
        cells = tuple(replace(cell, price=cell.price.divided(part)) for cell in self.cells)
        return replace(self, cells=cells, default=self.default.divided(part))

    def lines(self, quantity: Decimal, *, recordings: int, each: Sequence[Decimal] = ()) -> list[Line]:  # noqa: ARG002
        """The steps of the default: a quantity without dimensions meets no cell."""
        return self.default.lines(quantity, recordings=0)

    @property
    def prices(self) -> dict[str, "Price"]:
        """The price of each cell by name, in order; the default's is the last."""
        return {**{cell.name: cell.price for cell in self.cells}, DEFAULT: self.default}

    @property
    def dimensions(self) -> set[str]:
        """The names of the dimensions that a cell looks at."""
        return {name for cell in self.cells for name, _ in cell.when}

    def cell_of(self, values: Mapping[str, Any]) -> str:
        """The name of the cell of a series."""
        return next((cell.name for cell in self.cells if cell.meets(values)), DEFAULT)

    def limits(self) -> dict[str, Decimal]:
        """The allowance of each cell for a whole period, by name; the default has none, nor has a cell without one."""
        return {**{cell.name: cell.limit or _NOTHING for cell in self.cells}, DEFAULT: _NOTHING}


def share_allowance(allowance: Decimal, totals: Sequence[Decimal], way: str) -> list[Decimal]:
    """How an allowance goes over cells of these totals (>= 0) by ``way``; the shares add up to it.

    In order, each takes what it uses of what is left, and the last has the rest. In proportion, each has its share
    rounded down to 12 places, and what that leaves goes to the largest, so that none is charged while another has more
    than it uses.
    """
    if way == IN_ORDER:
        left, found = allowance, list[Decimal]()
        for total in totals[:-1]:
            found.append(min(left, total))
            left = EXACT.subtract(left, found[-1])
        return [*found, left]
    whole = sum_of(totals)
    if not whole:
        return [allowance, *[_NOTHING] * (len(totals) - 1)]
    unit = Decimal(10) ** PLACES
    shares = [Decimal(int(EXACT.multiply(allowance, total) * unit // whole)).scaleb(-PLACES) for total in totals]
    rest = EXACT.subtract(allowance, sum_of(shares))
    largest = sorted(range(len(totals)), key=lambda index: (-totals[index], index))
    for index in largest:
        room = max(EXACT.subtract(totals[index], shares[index]), _NOTHING) if allowance < whole else rest
        taken = min(rest, room)
        shares[index], rest = EXACT.add(shares[index], taken), EXACT.subtract(rest, taken)
    return shares


def is_by_dimension(price: Fields) -> bool:
    """Whether a price as it is stored charges by dimension."""
    return bool(price["model"] == ByDimension.name)


def nested_prices(price: Fields) -> Iterator[Fields]:
    """The prices of the cells and of the default of one as it is stored or given; none where it has no cells."""
    cells = price.get("cells")
    for cell in (*(cells if isinstance(cells, list) else ()), {"price": price.get("default")}):
        inner = cell.get("price") if isinstance(cell, Mapping) else None
        if isinstance(inner, Mapping):
            yield inner
