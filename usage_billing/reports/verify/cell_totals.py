"""What cells of prices by dimension come to once more, from docs/pricing.md and not from the code they check. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from usage_billing.reports.verify.functions import exactly

MODEL, DEFAULT = "by_dimension", "default"
_ATOM = Fraction(1, 10**12)
_ZERO = Fraction(0)


class Counted(NamedTuple):
    """What a segment came to: exactly by series, with the values of each (none of one that is lumped), and in all.

    ``value`` is a whole number of atoms, and may be negative.
    """

    series: Sequence[tuple[Mapping[str, Any], Fraction]] = ()
    value: Fraction = _ZERO


def has_cells(price: Mapping[str, Any] | None) -> bool:
    """Whether a stored price charges by dimension."""
    return price is not None and price["model"] == MODEL


def names_of(price: Mapping[str, Any]) -> list[str]:
    """The names of its cells as they are listed, the default last."""
    return [*(str(cell["name"]) for cell in price["cells"]), DEFAULT]


def cell_of(price: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The first cell whose every dimension has one of the values that it names."""
    for cell in price["cells"]:
        for name, wanted in cell["when"].items():
            if name not in values or not _among(values[name], wanted if isinstance(wanted, list) else [wanted]):
                break
        else:
            return str(cell["name"])
    return DEFAULT


def cells_in(price: Mapping[str, Any], segments: Sequence[Counted], place: int) -> dict[str, Decimal]:
    """What each cell came to in segment number ``place`` of a billing period."""
    exact, given = dict.fromkeys(names_of(price), _ZERO), dict.fromkeys(names_of(price), _ZERO)
    before, whole = dict(given), _ZERO
    for segment in segments[: place + 1]:
        before, whole = dict(given), whole + segment.value
        here: dict[str, Fraction] = {}
        for values, amount in segment.series:
            name = cell_of(price, values)
            here[name] = here.get(name, _ZERO) + amount
        busy = [name for name in given if here.get(name)]
        for name in busy:
            exact[name] += here[name]
            given[name] = floor(exact[name] / _ATOM) * _ATOM
        spare = int((whole - sum(given.values(), _ZERO)) / _ATOM)
        most_first = sorted(busy, key=lambda name: given[name] - exact[name])
        for turn in range(abs(spare) if busy else 0):
            if spare > 0:
                given[most_first[turn % len(busy)]] += _ATOM
            else:
                given[most_first[-1 - turn % len(busy)]] -= _ATOM
    return netted((name, given[name] - before[name]) for name in given)


def netted(cells: Iterable[tuple[str, Fraction]]) -> dict[str, Decimal]:
    """None below 0: what one is, is taken off the others as they are listed."""
    listed = list(cells)
    debt = -sum((amount for _, amount in listed if amount < 0), _ZERO)
    found: dict[str, Decimal] = {}
    for name, amount in listed:
        left = max(max(amount, _ZERO) - debt, _ZERO)
        debt -= max(amount, _ZERO) - left
        found[name] = exactly(left)
    return found


def _among(value: Any, wanted: Sequence[Any]) -> bool:
    return any(
        value == one
        and (isinstance(value, bool), isinstance(value, str)) == (isinstance(one, bool), isinstance(one, str))
        for one in wanted
    )
