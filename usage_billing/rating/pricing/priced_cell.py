"""Cells of a price by dimension: which series meet one, and how one is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from usage_billing.core.decimals import plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.base import read_quantity

if TYPE_CHECKING:
    from usage_billing.rating.price import Price

DEFAULT, WHOLE = "default", ""
"""The cell of the series that meet no other, and the name under which what is charged of the whole stands."""

BY_DIMENSION = "by_dimension"
MAX_VALUES = 100
MAX_NAME = 128
_LARGEST_NUMBER = 2**53
_CELL_FIELDS = frozenset({"name", "when", "price", "limit"})
_NUMBER = "number"
_Value = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class PricedCell:
    """A cell: its price, and what a series has to be to meet it. ``limit`` is its own allowance for a period.

    ``when`` has the values wanted by dimension, each with its kind: true is not 1, nor is "1".
    """

    name: str
    when: tuple[tuple[str, tuple[_Value, ...]], ...]
    price: "Price"
    limit: Decimal | None = None

    def meets(self, values: Mapping[str, Any]) -> bool:
        """Whether a series of these values meets it."""
        return all(name in values and _key(values[name]) in wanted for name, wanted in self.when)

    def covers(self, other: "PricedCell") -> bool:
        """Whether every series that meets ``other`` meets this one too."""
        theirs = dict(other.when)
        return all(name in theirs and set(theirs[name]) <= set(wanted) for name, wanted in self.when)

    def fields(self) -> dict[str, Any]:
        """As it is stored and sent: a single value stands without a list."""
        when = {name: values[0] if len(values) == 1 else values for name, values in self.wanted.items()}
        given = {} if self.limit is None else {"limit": plain(self.limit)}
        return {"name": self.name, "when": when, "price": self.price.fields(), **given}

    @property
    def wanted(self) -> dict[str, list[Any]]:
        """The values that it names, by dimension, as JSON has them."""
        return {name: [int(one) if kind == _NUMBER else one for kind, one in values] for name, values in self.when}


def parse_cell(given: object, where: str, *, limits: bool) -> PricedCell:
    """Read ``{"name", "when", "price", "limit"?}``, with a limit only if there are ``limits``; raises InvalidInput."""
    if not isinstance(given, dict):
        raise InvalidInput.field(where, "must be an object", code="not_an_object")
    for unknown in sorted(given.keys() - _CELL_FIELDS):
        raise InvalidInput.field(f"{where}/{unknown}", "is not a field of a cell", code="unknown")
    name = given.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        message = f"must be a text of 1 to {MAX_NAME} printable characters"
        raise InvalidInput.field(f"{where}/name", message, code="bad_text")
    if name == DEFAULT:
        raise InvalidInput.field(where, f"the name {name} is taken", code="contradiction")
    limit = None
    if given.get("limit") is not None:
        if not limits:
            message = "is for a price with allowance: limit"
            raise InvalidInput.field(f"{where}/limit", message, code="contradiction")
        limit = read_quantity(given, "limit", pointer=where)
    return PricedCell(name, _parse_when(given.get("when"), f"{where}/when"), _nested(given, where), limit)


def _nested(given: Mapping[str, Any], where: str) -> "Price":
    if given.get("price") is None:
        raise InvalidInput.field(f"{where}/price", "is required", code="required")
    return parse_cell_price(given["price"], f"{where}/price")


def parse_cell_price(given: object, where: str) -> "Price":
    """Read the price of a cell; raises InvalidInput for one by dimension, or one that charges recordings."""
    from usage_billing.rating.price import parse_price  # a price has cells, and a cell has a price

    if not isinstance(given, dict):
        raise InvalidInput.field(where, "must be an object", code="not_an_object")
    price = parse_price(given, pointer=where)
    if price.model.name == BY_DIMENSION:
        raise InvalidInput.field(f"{where}/model", "must not be by_dimension again", code="not_supported")
    if price.model.counts_recordings:
        message = "charges recordings one by one: a meter has a total, and no recordings of its own"
        raise InvalidInput.field(where, message, code="not_supported")
    return price


def _parse_when(given: object, where: str) -> tuple[tuple[str, tuple[_Value, ...]], ...]:
    if not isinstance(given, dict) or not given:
        message = 'must name at least one dimension: {"model": "gpt"}'
        raise InvalidInput.field(where, message, code="required")
    found: list[tuple[str, tuple[_Value, ...]]] = []
    for name, wanted in given.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if not 1 <= len(values) <= MAX_VALUES or any(not _is_value(value) for value in values):
            message = (
                f"must be a text of at most {MAX_NAME} characters, a whole number, true, false or null,"
                f" or a list of 1 to {MAX_VALUES} of them"
            )
            raise InvalidInput.field(f"{where}/{name}", message, code="not_supported")
        keys = tuple(map(_key, values))
        if len(set(keys)) != len(keys):
            raise InvalidInput.field(f"{where}/{name}", "names a value twice", code="contradiction")
        found.append((name, keys))
    return tuple(sorted(found))


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_NAME
    if isinstance(value, bool) or value is None:
        return True
    number = Decimal(value) if isinstance(value, int | Decimal) else None
    return number is not None and abs(number) <= _LARGEST_NUMBER and number == number.to_integral_value()


def _key(value: Any) -> _Value:
    """A value so that equal ones are equal: true is not 1, "1" is not 1, and 1.0 is 1."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__, value
    return _NUMBER, Decimal(value)
