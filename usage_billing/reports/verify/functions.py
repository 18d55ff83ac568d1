"""The functions of meters once more, from docs/metering.md: over one recording after the other. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from usage_billing.core.decimals import EXACT

Span = tuple[datetime, datetime]


@dataclass(slots=True)
class Heap:
    """Recordings that count, as far as a function looks at them."""

    number: int = 0
    total: Fraction = Fraction(0)
    greatest: Decimal | None = None
    least: Decimal | None = None
    last: tuple[datetime, int, Decimal] | None = None
    values: set[Any] = field(default_factory=set)

    def add(self, at: datetime, ordinal: int, value: Any) -> None:
        """Add one. ``value`` is a number, or where values are told apart, anything."""
        self.number += 1
        if not isinstance(value, Decimal):
            self.values.add(value)
            self.total += 1
            return
        self.total += Fraction(value)
        self.greatest = value if self.greatest is None else max(self.greatest, value)
        self.least = value if self.least is None else min(self.least, value)
        self.last = (at, ordinal, value) if self.last is None else max(self.last, (at, ordinal, value))

    def result(self, function: str) -> Fraction | None:
        """What they come to; None if that needs a recording, and there is none."""
        if function == "unique_count":
            return Fraction(len(self.values))
        if function == "count":
            return Fraction(self.number)
        if function == "sum":
            return self.total
        if function == "average" and self.number:
            return half_up(self.total / self.number)
        found = {"max": self.greatest, "min": self.least, "latest": self.last[2] if self.last else None}.get(function)
        return None if found is None else Fraction(found)

    def kept(self, function: str) -> Any:
        """What the books are to keep beside number and sum; None for a function that needs nothing else."""
        if function == "unique_count":
            return len(self.values)
        return {"max": self.greatest, "min": self.least, "latest": self.last}.get(function)

    def join(self, other: "Heap") -> None:
        """Take in what another has."""
        self.number += other.number
        self.total += other.total
        self.values |= other.values
        self.greatest = max((one for one in (self.greatest, other.greatest) if one is not None), default=None)
        self.least = min((one for one in (self.least, other.least) if one is not None), default=None)
        self.last = max((one for one in (self.last, other.last) if one is not None), default=None)


def in_segment(function: str, heaps: Sequence[Heap], spans: Sequence[Span], place: int) -> Decimal:
    """What falls to segment number ``place`` of a billing period, of which ``heaps`` has the recordings."""
    if function in {"sum", "count"}:
        return exactly(max(heaps[place].result(function) or Fraction(0), Fraction(0)))
    if function in {"max", "unique_count"}:
        with_it, before = (joined(heaps[:end]).result(function) or Fraction(0) for end in (place + 1, place))
        return exactly(max(with_it, Fraction(0)) - max(before, Fraction(0)))
    whole = max(joined(heaps).result(function) or Fraction(0), Fraction(0))
    times = [(end - start) // timedelta(microseconds=1) for start, end in spans]
    ends, begins = (half_up(whole * Fraction(sum(times[:end]), sum(times))) for end in (place + 1, place))
    return exactly(ends - begins)


def joined(heaps: Iterable[Heap]) -> Heap:
    """All of them as one."""
    found = Heap()
    for heap in heaps:
        found.join(heap)
    return found


def half_up(value: Fraction) -> Fraction:
    """To 12 places, away from zero at the half."""
    size = Fraction(floor(abs(value) * 10**12 + Fraction(1, 2)), 10**12)
    return size if value >= 0 else -size


def exactly(value: Fraction) -> Decimal:
    """As a decimal; it has at most 12 places."""
    return EXACT.scaleb(Decimal(value.numerator * (10**12 // value.denominator)), -12)
