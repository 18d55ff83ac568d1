"""The summaries of meters, counted again: each recording by Python, not by the SQL that folded it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.expressions import expression
from usage_billing.expressions.python import Metadata
from usage_billing.expressions.values import NULL
from usage_billing.reports.verify.cells import DEFAULT, cell_of, has_cells
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.periods import Follows
from usage_billing.reports.verify.proof import Proof, Sums, shown
from usage_billing.reports.verify.tally import NOTHING, Tally

_FETCH = 5_000
_LONGEST = 128  # characters of a dimension's value
_DEFINITION = text("""
    SELECT *
    FROM meter_definitions
    WHERE usage_type_id = :meter AND effective_from <= :start
    ORDER BY version DESC
    LIMIT 1
""")
_METER = text("SELECT * FROM meters WHERE usage_type_id = :meter")
_PRICES = text("SELECT price FROM usage_quotas WHERE usage_type_id = :meter AND price ->> 'model' = 'by_dimension'")
_FOLDS = text("""
    SELECT f.*
    FROM meter_folds AS f
    JOIN usage_summaries AS o ON o.id = f.source_summary_id
    WHERE o.subscription_id = :subscription AND o.usage_type_id = :of AND f.usage_type_id = :meter
    ORDER BY f.source_summary_id
""")
_USAGE = text("""
    SELECT u.summary_id, u.ordinal, u.occurred_at, u.recorded_at, u.quantity, CAST(u.metadata AS text) AS metadata,
        v.ordinal AS void
    FROM usage AS u
    LEFT JOIN usage_voids AS v ON v.usage_id = u.id
    WHERE u.summary_id = ANY(CAST(:sources AS bigint[])) AND u.occurred_at >= :since
        AND (CAST(:retired AS timestamptz) IS NULL OR u.recorded_at < :retired)
    ORDER BY u.summary_id, u.ordinal
""")
_TOTALS = text("""
    SELECT CAST(x.dimensions AS text) AS dimensions, t.events, t.total
    FROM meter_totals AS t
    LEFT JOIN meter_series AS x
        ON x.subscription_id = :subscription AND x.usage_type_id = :meter AND x.series = t.series
    WHERE t.summary_id = :summary
""")
_BUCKETS = text("SELECT sum(events) AS events, sum(total) AS total FROM meter_buckets WHERE summary_id = :summary")
_decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_any = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")
_Counted = tuple[int, Decimal]
_NO_CELLS: Mapping[str, Any] = {"cells": ()}  # of a plain price a cell that was charged before comes to nothing


@dataclass(slots=True)
class MeterTally(Tally):
    """What the recordings come to as far as ``sources`` goes: {summary: (recordings, voids)}.

    With a ``price`` by dimension it is what those come to that meet one ``cell`` of it.
    """

    sources: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    signed: Decimal = NOTHING
    price: Mapping[str, Any] | None = None
    cell: str = ""

    def count(self, row: Any, value: Decimal, values: Mapping[str, Any]) -> bool:
        """Count a recording unless it came later, or was taken back by then; returns whether it counts."""
        events, voids = self.sources.get(row.summary_id, (0, 0))
        if row.ordinal > events or (row.void is not None and row.void <= voids):
            return False
        self.recorded += 1
        if self.price is not None and cell_of(self.price, values) != self.cell:
            return True
        self.signed = EXACT.add(self.signed, value)
        self.total = max(NOTHING, self.signed)
        self.beyond = NOTHING
        if self.allowance is not None:
            self.beyond = max(NOTHING, EXACT.subtract(self.total, self.allowance))
        return True


class MeterProof(Proof):
    """A meter's summary, counted again from the recordings of another usage type."""

    def __init__(self, summary: Any) -> None:
        super().__init__(summary)
        self._tally = MeterTally(summary.allowance)
        self._series: dict[str, _Counted] = {}
        self._stored: dict[str, _Counted] = {}
        self._in_buckets: _Counted = (0, NOTHING)
        self._limit = 0
        self._kept: set[str] | None = None
        self._unnamed: set[str] = set()

    def expect(self, item: Any) -> None:
        """Count for ``item`` too, as far as it says."""
        sources = {one["summary"]: (one["events"], one["voids"]) for one in item.sources or ()}
        price = item.quota_price if has_cells(item.quota_price) or item.cell else None
        if price is not None and not has_cells(price):
            price = _NO_CELLS
        self.items.append((item, MeterTally(item.allowance, sources=sources, price=price, cell=item.cell)))

    def count(self, session: Session, follows: Follows | None) -> None:
        """Read the recordings, and what is stored of the meter."""
        summary = self.summary
        start = summary.period_start if follows is None else follows.segment.period[0]
        asked = {"meter": summary.usage_type_id, "of": summary.of, "subscription": summary.subscription_id}
        definition = session.execute(_DEFINITION, {**asked, "start": start}).one()
        meter = session.execute(_METER, asked).one()
        folds = {row.source_summary_id: row for row in session.execute(_FOLDS, asked) if summary.id in row.summaries}
        self._tally.sources = {id: (row.folded, row.folded_voids) for id, row in folds.items()}
        self._limit = definition.series_limit
        measure = _Measure(definition)
        prices = list(session.scalars(_PRICES, asked))
        for row in session.execute(_TOTALS, {**asked, "summary": summary.id}):
            series = _any.decode(row.dimensions or "null")
            self._stored[_text(series)] = (row.events, row.total)
            values = dict(zip(measure.names, series, strict=True)) if isinstance(series, list) else {}
            if all(cell_of(price, values) == DEFAULT for price in prices):
                self._unnamed.add(_text(series))
        if _text({"other": True}) in self._stored:
            self._kept = set(self._stored)
        self._stored = {series: one for series, one in self._stored.items() if one != (0, NOTHING)}
        rows = session.execute(
            _USAGE,
            {"sources": list(folds), "since": meter.since, "retired": meter.retired_at},
            execution_options={"yield_per": _FETCH},
        )
        for row in rows:
            if _place(folds[row.summary_id], row.occurred_at) == summary.id:
                self._add(row, measure)
        buckets = session.execute(_BUCKETS, {"summary": summary.id}).one()
        self._in_buckets = (int(buckets.events or 0), buckets.total or NOTHING)

    def _add(self, row: Any, measure: "_Measure") -> None:
        found = measure.of(row)
        if found is None:
            return
        value, series, values = found
        if self._kept is not None and series not in self._kept:
            values = {}  # lumped
        if self._tally.count(row, value, values):
            number, total = self._series.get(series, (0, NOTHING))
            self._series[series] = (number + 1, EXACT.add(total, value))
        for _, tally in self.items:
            if isinstance(tally, MeterTally):
                tally.count(row, value, values)

    def totals(self) -> Iterator[Difference]:
        """What is wrong with what is stored of the meter in this summary."""
        summary, now = self.summary, self._tally
        for kind, name, stands, should in (
            ("summary_total", "total", summary.total, now.total),
            ("summary_beyond", "quantity beyond the limit", summary.beyond_limit, now.beyond),
            ("summary_events", "number of recordings", summary.events - summary.voids, now.recorded),
            ("meter_buckets", "number of recordings in buckets", self._in_buckets[0], now.recorded),
            ("meter_buckets", "sum of buckets", self._in_buckets[1], now.signed),
        ):
            if stands != should:
                yield self.differs(kind, f"its {name} is {shown(stands)}, its usage gives {shown(should)}")
        other = _text({"other": True})
        for series in sorted(self._stored.keys() | self._series.keys() if other not in self._stored else ()):
            if self._stored.get(series) != self._series.get(series):
                yield self.differs("meter_series", f"its series {series} is not what its usage gives")
        if len(self._unnamed - {other}) > self._limit:
            yield self.differs("meter_series", f"it has more than {self._limit} series")
        if other in self._stored:
            yield from self._lumped(other)

    def _lumped(self, other: str) -> Iterator[Difference]:
        """Where series beyond the limit are one, the rest of them together is that one."""
        kept = self._stored.keys() - {other}
        rest = [counted for series, counted in self._series.items() if series not in kept]
        number, total = sum(one[0] for one in rest), sum((one[1] for one in rest), NOTHING)
        if self._stored[other] != (number, total) or any(self._stored[one] != self._series.get(one) for one in kept):
            yield self.differs("meter_series", "its series are not what its usage gives")

    def sums(self, item: Any, tally: Tally) -> Sums:
        """What an item says of its recordings."""
        return (
            ("item_events", "number of recordings", item.events - item.voids, tally.recorded),
            ("item_total", "total", item.total, tally.total),
            ("item_billable", "quantity beyond the limit", item.billable, tally.beyond),
        )

    def hash_of(self, tally: Tally) -> bytes | None:  # noqa: ARG002
        """None: it names its sources instead."""
        return None


class _Measure:
    """A definition, as Python: what a recording adds to which series."""

    def __init__(self, definition: Any) -> None:
        self._counts = definition.function == "count"
        self._value = None if definition.value is None else expression.number(definition.value)
        self._where = None if definition.condition is None else expression.condition(definition.condition)
        self.names = [one["as"] for one in definition.dimensions]
        self._dimensions: list[Callable[[Metadata], Any]] = [
            expression.anything(one["value"]).evaluate for one in definition.dimensions
        ]

    def of(self, row: Any) -> tuple[Decimal, str, Mapping[str, Any]] | None:
        """The recording's value, its series, and that by dimension; None if it does not count, or has no value."""
        metadata = _decoder.decode(row.metadata)
        if self._where is not None and self._where.evaluate(metadata) is not True:
            return None
        value = row.quantity if self._value is None else self._value.number(metadata)
        if self._counts:
            value = Decimal(1)
        if value is None:
            return None
        values = [_dimension(evaluate(metadata)) for evaluate in self._dimensions]
        return value, _text(values), dict(zip(self.names, values, strict=True))


def _place(fold: Any, occurred_at: datetime) -> int | None:
    """The summary that a recording comes to: that of the last segment which had begun."""
    found = None
    for start, summary in zip(fold.starts, fold.summaries, strict=True):
        if start <= occurred_at:
            found = summary
    return found


def _dimension(value: Any) -> Any:
    if value is NULL or value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else f"{EXACT.normalize(Decimal(value)):f}"
    return (value if isinstance(value, str) else Decimal(text)) if len(text) <= _LONGEST else None


def _text(series: Any) -> str:
    """A series as text, so that true is not 1, and 1 is 1.0."""
    return _encoder.encode(series).decode()
