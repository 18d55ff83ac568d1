"""What recordings come to for a meter, segment by segment; and what a row of the books keeps of that. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from usage_billing.core.decimals import EXACT
from usage_billing.reports.verify.cell_totals import cell_of, has_cells, names_of, netted
from usage_billing.reports.verify.functions import Heap, Span, in_segment
from usage_billing.reports.verify.tally import NOTHING, Tally
from usage_billing.reports.verify.windows import Cut, in_windows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Kept = tuple[int, Decimal, Any]
"""Of a series: how many recordings, the sum of their values, and what the function needs beside."""


@dataclass(slots=True)
class MeterTally(Tally):
    """What the recordings come to as far as ``sources`` goes: {summary: (recordings, voids)}.

    ``spans`` are the segments of the billing period, ``heaps`` what was recorded in each; ``place`` is the segment that
    this is of. With a ``price`` it is what one ``cell`` of it comes to, beside the others in ``cells``. ``cut`` says of
    a meter with windows how its period is cut into them; then ``windows`` has the recordings of each segment by window.
    """

    sources: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    spans: Sequence[Span] = ()
    heaps: list[Heap] = field(default_factory=lambda: [Heap()])
    place: int = 0
    price: Mapping[str, Any] | None = None
    cell: str = ""
    cells: dict[str, Fraction] = field(default_factory=dict)
    cut: Cut | None = None
    windows: list[dict[Span, Heap]] = field(default_factory=lambda: [{}])

    def count(self, row: Any, value: Any, place: int, values: Mapping[str, Any]) -> bool:
        """Count a recording of segment ``place``, unless it came later or was taken back; returns whether it counts."""
        events, voids = self.sources.get(row.summary_id, (0, 0))
        if row.ordinal > events or (row.void is not None and row.void <= voids):
            return False
        self.recorded += place == self.place
        if self.price is not None:
            if has_cells(self.price):
                name = cell_of(self.price, values)
                self.cells[name] = self.cells.get(name, Fraction(0)) + Fraction(value)
        else:
            self.heaps[place].add(row.occurred_at, row.ordinal, value)
            if self.cut is not None:
                here = self.windows[place].setdefault(self.cut.window_of(row.occurred_at), Heap())
                here.add(row.occurred_at, row.ordinal, value)
        return True

    def divide(self, start: datetime, cut: Cut | None) -> None:
        """Make room for what was recorded in each segment; that of this begins at ``start``."""
        starts = [begins for begins, _ in self.spans]
        self.place, self.cut = starts.index(start) if start in starts else 0, cut
        self.heaps, self.windows = [Heap() for _ in starts], [{} for _ in starts]

    def place_at(self, at: datetime) -> int | None:
        """The segment of an instant; None where the subscription did not run."""
        return next((place for place, (start, end) in enumerate(self.spans) if start <= at < end), None)

    def close(self, function: str) -> None:
        """Add up, once everything is counted."""
        if self.price is not None:
            names = names_of(self.price) if has_cells(self.price) else ()
            self.total = netted((name, self.cells.get(name, Fraction(0))) for name in names).get(self.cell, NOTHING)
        elif self.cut is None:
            self.total = in_segment(function, self.heaps, self.spans, self.place)
        else:
            self.total = in_windows(function, self.cut, self.windows, self.spans, self.place)
        self.beyond = NOTHING
        if self.allowance is not None:
            self.beyond = max(NOTHING, EXACT.subtract(self.total, self.allowance))


def kept_in(function: str, row: Any) -> Kept:
    """What a row of totals or buckets stores."""
    beside = {
        "max": row.maximum,
        "min": row.minimum,
        "latest": None if row.latest is None else _last(*row.latest),
        "unique_count": row.distinct_values,
    }
    return int(row.events or 0), row.total or NOTHING, beside.get(function)


def _last(microseconds: Decimal, ordinal: Decimal, value: Decimal) -> tuple[datetime, int, Decimal]:
    return _EPOCH + timedelta(microseconds=int(microseconds)), int(ordinal), value
