"""What each cell of a price by dimension comes to, so that all cells together come to what the meter does. Pure.

A level comes to parts of a unit that no decimal spells, such as a third of an hour. What a meter comes to from the
beginning of its billing period to the end of a segment is rounded once. Each cell in which something stood has that
of its own series, rounded down to 12 places; what this leaves goes to those that lost most. So a cell that comes to an
exact quantity has it, and what cuts a period changes nothing.

Source: docs/pricing.md, "By dimension".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from usage_billing.core.decimals import EXACT, PLACES, sum_of

if TYPE_CHECKING:
    from usage_billing.rating.pricing.by_dimension import ByDimension

_NOTHING = Decimal(0)
_ATOMS = 10**PLACES
"""So many of the smallest quantity are one unit."""


class SeriesTotal(NamedTuple):
    """What a series came to: its values by dimension, null for one that is absent; none at all where series are lumped.

    ``total`` may be negative.
    """

    values: Mapping[str, Any]
    total: Decimal


@dataclass(frozen=True, slots=True)
class SegmentSeries:
    """What each series came to in a segment, in parts of a unit: ``divisor`` of them are one.

    ``value`` is what all of them came to, in units, with at most 12 places; it may be negative.
    """

    series: Sequence[SeriesTotal] = ()
    value: Decimal = _NOTHING
    divisor: int = 1

    @classmethod
    def in_units(cls, series: Sequence[SeriesTotal]) -> Self:
        """Series that come to whole units, or to parts with at most 12 places."""
        return cls(series, sum_of(one.total for one in series))


def totals_of_cells(model: "ByDimension", segments: Sequence[SegmentSeries]) -> dict[str, Decimal]:
    """What each cell of ``model`` came to in the last of these segments of a billing period, by name, in order.

    None is below 0: what one is, is taken off the others as they are listed. Together they come to ``value`` of the
    segment, or to 0 if that is below 0.
    """
    signed = _rounded(model, segments)
    owed = sum_of(EXACT.minus(total) for total in signed.values() if total < 0)
    found: dict[str, Decimal] = {}
    for name, total in signed.items():
        taken = min(owed, max(total, _NOTHING))
        found[name] = EXACT.subtract(max(total, _NOTHING), taken)
        owed = EXACT.subtract(owed, taken)
    return found


def _rounded(model: "ByDimension", segments: Sequence[SegmentSeries]) -> dict[str, Decimal]:
    if segments[-1].divisor == 1:
        return _by_cell(model, segments[-1])
    exact = dict.fromkeys(model.prices, Fraction(0))
    reached = dict.fromkeys(model.prices, 0)
    before, whole = reached, 0
    for segment in segments:
        before, whole = dict(reached), whole + int(EXACT.scaleb(segment.value, PLACES))
        moved = {name: total for name, total in _by_cell(model, segment).items() if total}
        for name, total in moved.items():
            exact[name] += Fraction(total) * _ATOMS / segment.divisor
            reached[name] = floor(exact[name])
        if moved:
            each, more = divmod(whole - sum(reached.values()), len(moved))
            for place, name in enumerate(sorted(moved, key=lambda name: reached[name] - exact[name])):
                reached[name] += each + (place < more)
    return {name: EXACT.scaleb(Decimal(reached[name] - before[name]), -PLACES) for name in reached}


def _by_cell(model: "ByDimension", segment: SegmentSeries) -> dict[str, Decimal]:
    """What the series of each cell came to, in parts of a unit."""
    found = dict.fromkeys(model.prices, _NOTHING)
    for one in segment.series:
        name = model.cell_of(one.values)
        found[name] = EXACT.add(found[name], one.total)
    return found
