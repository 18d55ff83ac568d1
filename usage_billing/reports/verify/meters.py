"""The summaries of meters, counted again: each recording by Python, not by the SQL that folded it."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.reports.verify.arithmetic import price_of
from usage_billing.reports.verify.cell_totals import DEFAULT, cell_of, has_cells
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.functions import Heap, Span, exactly, joined
from usage_billing.reports.verify.measure import Measure, series_text
from usage_billing.reports.verify.meter_rows import (
    FETCH,
    USAGE,
    definition_at,
    folds_of,
    meter_of,
    place_of,
    spans_of,
    zone_of,
)
from usage_billing.reports.verify.meter_tally import Kept, MeterTally, kept_in
from usage_billing.reports.verify.periods import Follows
from usage_billing.reports.verify.proof import Proof, Sums, shown
from usage_billing.reports.verify.tally import NOTHING, Tally
from usage_billing.reports.verify.windows import Cut

_PRICES = text("SELECT price FROM usage_quotas WHERE usage_type_id = :meter AND price ->> 'model' = 'by_dimension'")
_TOTALS = text("""
    SELECT CAST(x.dimensions AS text) AS dimensions, t.*
    FROM meter_totals AS t
    LEFT JOIN meter_series AS x
        ON x.subscription_id = :subscription AND x.usage_type_id = :meter AND x.series = t.series
    WHERE t.summary_id = :summary AND t.series <> CAST(:whole AS uuid)
""")
_BUCKETS = text("""
    SELECT sum(events) AS events, sum(total) AS total, max(maximum) AS maximum, min(minimum) AS minimum,
        max(latest) AS latest, CAST(NULL AS bigint) AS distinct_values
    FROM meter_buckets
    WHERE summary_id = :summary
""")
_VALUES = text("""
    SELECT count(DISTINCT digest) FROM meter_values WHERE summary_id = :summary AND n > 0
""")
_WINDOW_VALUES = text("SELECT count(*) FROM meter_window_values WHERE summary_id = :summary AND n > 0")
_any = msgspec.json.Decoder(float_hook=Decimal)
_ADDS_UP = ("sum", "count")
_WHOLE = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # the series that stands for all together


class MeterProof(Proof):
    """A meter's summary, counted again from the recordings of another usage type."""

    def __init__(self, summary: Any) -> None:
        super().__init__(summary)
        self._tally = MeterTally(summary.allowance)
        self._items: list[MeterTally] = []
        self._function, self._adds_up, self._is_stray = "", False, False
        self._cut: Cut | None = None
        self._spans: tuple[Span, ...] = ((summary.period_start, summary.period_end),)
        self._series: dict[str, Heap] = {}
        self._stored: dict[str, Kept] = {}
        self._in_buckets: Kept = (0, NOTHING, None)
        self._in_values: int | None = None
        self._in_windows: int | None = None
        self._limit = 0
        self._kept: set[str] | None = None
        self._unnamed: set[str] = set()

    def expect(self, item: Any) -> None:
        """Count for ``item`` too, as far as it says."""
        sources = {one["summary"]: (one["events"], one["voids"]) for one in item.sources or ()}
        stored = price_of(item.quota_price)
        price = stored if has_cells(stored) or item.cell else None
        tally = MeterTally(item.allowance, sources=sources, spans=spans_of(item), price=price, cell=item.cell)
        self._items.append(tally)
        self.items.append((item, tally))

    def count(self, session: Session, follows: Follows | None) -> None:
        """Read the recordings, and what is stored of the meter."""
        summary = self.summary
        start = summary.period_start if follows is None else follows.segment.period[0]
        asked = {"meter": summary.usage_type_id, "of": summary.of, "subscription": summary.subscription_id}
        definition, meter = definition_at(session, asked, start), meter_of(session, asked)
        self._function, self._limit = definition.function, definition.series_limit
        if definition.windowing is not None:
            self._cut = Cut(definition.windowing, zone_of(session, asked))
        self._adds_up = definition.windowing is None and self._function in _ADDS_UP
        self._is_stray = follows is None and not summary.frozen and not self._adds_up
        folds = {id: row for id, row in folds_of(session, asked).items() if self._is_of(row, follows)}
        self._tally.sources = {id: (row.folded, row.folded_voids) for id, row in folds.items()}
        self._divide(follows)
        measure = Measure(definition)
        self._read_stored(session, asked, measure)
        rows = session.execute(
            USAGE,
            {"sources": list(folds), "since": meter.since, "retired": meter.retired_at},
            execution_options={"yield_per": FETCH},
        )
        for row in rows:
            self._add(row, measure, is_here=place_of(folds[row.summary_id], row.occurred_at) == summary.id)
        for tally in (self._tally, *self._items):
            tally.close(self._function)
        if self._is_stray:
            self._tally.total = self._tally.beyond = NOTHING

    def _is_of(self, fold: Any, follows: Follows | None) -> bool:
        """Whether the recordings of a fold concern this summary: where values do not add up, all of the period do."""
        if self._adds_up:
            return self.summary.id in fold.summaries
        spans = [span for tally in self._items for span in tally.spans] + list(self._spans)
        if follows is not None:
            spans.append(follows.segment.period)
        start, end = min(start for start, _ in spans), max(end for _, end in spans)
        return bool(fold.period_start < end and fold.period_end > start)

    def _divide(self, follows: Follows | None) -> None:
        if self._adds_up:
            return
        if follows is not None:
            self._spans = follows.spans
        for tally in (self._tally, *self._items):
            tally.spans = tally.spans or self._spans
            tally.divide(self.summary.period_start, self._cut)

    def _place_in(self, tally: MeterTally, at: datetime, *, is_here: bool) -> int | None:
        """The segment in which a recording counts; what folds have put in this summary is of its own."""
        if is_here and (self._adds_up or tally is self._tally):
            return tally.place
        place = None if self._adds_up else tally.place_at(at)
        return None if tally is self._tally and place == tally.place else place

    def _add(self, row: Any, measure: Measure, *, is_here: bool) -> None:
        places = [self._place_in(tally, row.occurred_at, is_here=is_here) for tally in (self._tally, *self._items)]
        found = None if all(place is None for place in places) else measure.of(row)
        if found is None:
            return
        value, series, values = found
        if self._kept is not None and series not in self._kept:
            values = {}  # lumped
        for tally, place in zip((self._tally, *self._items), places, strict=True):
            counts = place is not None and tally.count(row, value, place, values)
            if counts and is_here and tally is self._tally:
                self._series.setdefault(series, Heap()).add(row.occurred_at, row.ordinal, value)

    def _read_stored(self, session: Session, asked: dict[str, Any], measure: Measure) -> None:
        asked = {**asked, "summary": self.summary.id, "whole": _WHOLE}
        prices = list(session.scalars(_PRICES, asked))
        for row in session.execute(_TOTALS, asked):
            series = _any.decode(row.dimensions or "null")
            self._stored[series_text(series)] = kept_in(self._function, row)
            values = dict(zip(measure.names, series, strict=True)) if isinstance(series, list) else {}
            if all(cell_of(price, values) == DEFAULT for price in prices):
                self._unnamed.add(series_text(series))
        if series_text({"other": True}) in self._stored:
            self._kept = set(self._stored)
        self._stored = {series: one for series, one in self._stored.items() if one[:2] != (0, NOTHING)}
        buckets = session.execute(_BUCKETS, asked).one()
        self._in_buckets = kept_in(self._function, buckets)
        if self._function == "unique_count":
            self._in_values = session.scalar(_VALUES, asked)
            if self._cut is not None:
                self._in_windows = session.scalar(_WINDOW_VALUES, asked)

    def totals(self) -> Iterator[Difference]:
        """What is wrong with what is stored of the meter in this summary."""
        summary, now = self.summary, self._tally
        own = now.heaps[now.place]
        # Where the period is cut, billing brings a summary that is to be rated up to date.
        cut = len(self._spans) > 1 or not self._is_current or self._is_stray
        waits = summary.to_rate and cut and not self._adds_up
        for kind, name, stands, should in (
            ("summary_total", "total", summary.total, summary.total if waits else now.total),
            ("summary_beyond", "quantity beyond the limit", summary.beyond_limit, self._beyond(waits=waits)),
            ("summary_events", "number of recordings", summary.events - summary.voids, now.recorded),
            ("meter_buckets", "number of recordings in buckets", self._in_buckets[0], now.recorded),
            ("meter_buckets", "sum of buckets", self._in_buckets[1], exactly(own.total)),
        ):
            if stands != should:
                yield self.differs(kind, f"its {name} is {shown(stands)}, its usage gives {shown(should)}")
        if self._in_buckets[2] not in {None, own.kept(self._function)}:
            yield self.differs("meter_buckets", "its buckets do not have what its usage gives")
        if self._in_values not in {None, own.kept(self._function)}:
            yield self.differs("meter_values", f"it has {self._in_values} values, its usage gives {len(own.values)}")
        by_window = sum(len(heap.values) for heap in now.windows[now.place].values())
        if self._in_windows not in {None, by_window}:
            message = f"it has {self._in_windows} values in its windows, its usage gives {by_window}"
            yield self.differs("meter_values", message)
        yield from self._series_differ()

    @property
    def _is_current(self) -> bool:
        """Whether it ends where its segment does."""
        return bool((self.summary.period_start, self.summary.period_end) == self._spans[self._tally.place])

    def _beyond(self, *, waits: bool) -> Decimal:
        summary = self.summary
        if not waits:
            return self._tally.beyond
        return NOTHING if summary.allowance is None else max(NOTHING, EXACT.subtract(summary.total, summary.allowance))

    def _series_differ(self) -> Iterator[Difference]:
        other = series_text({"other": True})
        given = {series: self._given(heap) for series, heap in self._series.items()}
        for series in sorted(self._stored.keys() | given.keys() if other not in self._stored else ()):
            if self._stored.get(series) != given.get(series):
                yield self.differs("meter_series", f"its series {series} is not what its usage gives")
        kept = self._stored.keys() - {other}
        if len(self._unnamed - {other}) > self._limit:
            yield self.differs("meter_series", f"it has more than {self._limit} series")
        if other in self._stored:
            # Where series beyond the limit are one, the rest of them together is that one.
            rest = joined(heap for series, heap in self._series.items() if series not in kept)
            if self._stored[other] != self._given(rest) or any(self._stored[one] != given.get(one) for one in kept):
                yield self.differs("meter_series", "its series are not what its usage gives")

    def _given(self, heap: Heap) -> "Kept":
        return heap.number, exactly(heap.total), heap.kept(self._function)

    def sums(self, item: Any, tally: Tally) -> Sums:
        """What an item says of its recordings, by the segments of when it was written."""
        return (
            ("item_events", "number of recordings", item.events - item.voids, tally.recorded),
            ("item_total", "total", item.total, tally.total),
            ("item_billable", "quantity beyond the limit", item.billable + item.covered, tally.beyond),
        )

    def hash_of(self, tally: Tally) -> bytes | None:  # noqa: ARG002
        """None: it names its sources instead."""
        return None
