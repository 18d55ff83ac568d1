"""The summaries of levels, counted again: from one recording to the next, and never by the sums that are stored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.reports.verify.arithmetic import price_of
from usage_billing.reports.verify.cell_totals import Counted, cells_in, has_cells
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.functions import Span
from usage_billing.reports.verify.level_books import SEEN, LevelBooks, Recorded, by_series
from usage_billing.reports.verify.level_series import series_differ, stored_series
from usage_billing.reports.verify.level_steps import Course, in_span
from usage_billing.reports.verify.meter_rows import definition_at, spans_of
from usage_billing.reports.verify.periods import Follows
from usage_billing.reports.verify.proof import Proof, Sums, shown
from usage_billing.reports.verify.tally import NOTHING, Tally

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEVELS = text("""
    SELECT s.id, s.period_start, l.*
    FROM usage_summaries AS s
    LEFT JOIN meter_levels AS l ON l.summary_id = s.id
    WHERE s.subscription_id = :subscription AND s.usage_type_id = :meter
""")
_VALUES = text("SELECT count(DISTINCT digest) FROM meter_values WHERE summary_id = :summary AND n > 0")


@dataclass(slots=True)
class LevelTally(Tally):
    """What recordings come to as far as ``sources`` goes, {summary: (recordings, voids)}, as of ``until``.

    ``spans`` are the segments of the billing period. With a ``price`` it is what one ``cell`` of it comes to, of which
    ``counted`` has the series.
    """

    sources: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    until: datetime = _EPOCH
    course: Course = field(default_factory=lambda: Course((), is_set=False))
    price: Mapping[str, Any] | None = None
    cell: str = ""
    counted: Sequence[Counted] = ()

    def close(self, per: str, start: datetime) -> None:
        """Reckon for the segment that begins at ``start``, once everything is counted."""
        place = place_in(self.spans, start)
        if self.price is not None:
            cells = cells_in(self.price, self.counted, place) if has_cells(self.price) else {}
            self.total = cells.get(self.cell, NOTHING)
        else:
            self.total = max(in_span(self.course, per, self.spans, place, upto=self.until), NOTHING)
        self.beyond = NOTHING
        if self.allowance is not None:
            self.beyond = max(NOTHING, EXACT.subtract(self.total, self.allowance))


def place_in(spans: tuple[Span, ...], start: datetime) -> int:
    """Which of these segments begins at ``start``; the first where none does."""
    starts = [begins for begins, _ in spans]
    return starts.index(start) if start in starts else 0


class LevelProof(Proof):
    """A level's summary, counted again. ``next_start``: when the subscription runs again once its segment ended."""

    def __init__(self, summary: Any) -> None:
        super().__init__(summary)
        self.next_start: datetime | None = None
        self._tally = LevelTally(summary.allowance)
        self._spans: tuple[Span, ...] = ((summary.period_start, summary.period_end),)
        self._series: dict[str, list[Recorded]] = {}
        self._stored: dict[str, Any] = {}
        self._kept: Any = None
        self._per, self._mode, self._is_lost, self._is_stray = "", "", False, False
        self._in_values: int | None = None

    def expect(self, item: Any) -> None:
        """Count for ``item`` too, as far as it says."""
        sources = {one["summary"]: (one["events"], one["voids"]) for one in item.sources or ()}
        until = max((one.get("until", 0) for one in item.sources or ()), default=0)
        until_then = _EPOCH + timedelta(microseconds=until)
        stored = price_of(item.quota_price)
        price = stored if has_cells(stored) or item.cell else None
        tally = LevelTally(
            item.allowance, sources=sources, spans=spans_of(item), until=until_then, price=price, cell=item.cell
        )
        self.items.append((item, tally))

    def count(self, session: Session, follows: Follows | None, books: LevelBooks) -> None:
        """Take what was recorded, and read what is stored of the level."""
        summary = self.summary
        start = summary.period_start if follows is None else follows.segment.period[0]
        asked = {"meter": summary.usage_type_id, "of": summary.of, "subscription": summary.subscription_id}
        definition, level = definition_at(session, asked, start), books.of(asked)
        self._per, self._mode = definition.per, definition.mode
        if follows is not None:
            self._spans = follows.spans
        self._is_stray = follows is None and not summary.frozen
        self._read_stored(session, asked, definition, level.meter)
        here = level.recorded_in(summary.id)
        self._tally.recorded, self._series = len(here), by_series(here)
        since, now = None if definition.carry else start, self._tally
        now.spans = self._spans
        now.course = level.course() if since is None else level.course(since=since, end=self._spans[-1][1])
        now.close(self._per, summary.period_start)
        if self._is_stray:
            now.total = now.beyond = NOTHING
        for item, tally in self.items:
            if isinstance(tally, LevelTally):
                is_nothing = self._is_stray and not tally.spans and not item.total
                tally.spans = tally.spans or self._spans
                tally.recorded = len(level.recorded_in(summary.id, tally.sources))
                if tally.price is None:
                    tally.course = level.course(tally.sources, since=since, end=tally.spans[-1][1])
                else:
                    tally.counted = level.by_series(
                        definition, tally.spans, start=start, upto=tally.until, sources=tally.sources
                    )
                tally.close(self._per, summary.period_start)
                tally.course, tally.counted = Course((), is_set=False), ()  # let go of it: each item has one
                if is_nothing:  # it was written when its summary was no segment's: it gives back what was charged
                    tally.total = tally.beyond = NOTHING

    @property
    def _place(self) -> int:
        return place_in(self._spans, self.summary.period_start)

    def _read_stored(self, session: Session, asked: dict[str, Any], definition: Any, meter: Any) -> None:
        rows = session.execute(_LEVELS, asked).all()
        here = {start for start, _ in self._spans}
        known = [row.upto for row in rows if row.upto is not None and row.period_start in here]
        self._tally.until = max(known, default=self.summary.period_start)
        self._kept = next(row for row in rows if row.id == self.summary.id)
        self._stored = stored_series(session, {**asked, "summary": self.summary.id})
        if self._mode == SEEN:
            self._in_values = session.scalar(_VALUES, {"summary": self.summary.id})
        kept, ends = self._kept, self.summary.period_end
        reaches = kept.level is not None and kept.level != 0 and kept.upto == ends and not self.summary.to_rate
        # Of a meter that was retired in a pause, or after one, nothing may have been left to count.
        stays = meter.retired_at is None or (meter.retired_at > ends == self.next_start)
        goes_on = definition.carry and self.next_start is not None and stays
        self._is_lost = reaches and goes_on and all(row.period_start != self.next_start for row in rows)

    def totals(self) -> Iterator[Difference]:
        """What is wrong with what is stored of the level in this summary."""
        summary, now = self.summary, self._tally
        is_current = (summary.period_start, summary.period_end) == self._spans[self._place]
        waits = summary.to_rate and (len(self._spans) > 1 or not is_current or self._is_stray)
        beyond = now.beyond
        if waits:
            beyond = max(NOTHING, summary.total - summary.allowance) if summary.allowance is not None else NOTHING
        for kind, name, stands, should in (
            ("summary_total", "total", summary.total, summary.total if waits else now.total),
            ("summary_beyond", "quantity beyond the limit", summary.beyond_limit, beyond),
            ("summary_events", "number of recordings", summary.events - summary.voids, now.recorded),
        ):
            if stands != should:
                yield self.differs(kind, f"its {name} is {shown(stands)}, its usage gives {shown(should)}")
        if self._kept.upto is not None and not waits and not self._is_stray:
            upto = self._kept.upto
            ends = upto == summary.period_end
            area = Fraction(0) if self._mode == SEEN else now.course.area(summary.period_start, upto)
            gives = area, now.course.level(upto, ends=ends)
            if (Fraction(self._kept.area), Fraction(self._kept.level)) != gives:
                yield self.differs("meter_level", "it is not reckoned as its usage gives")
        if self._is_lost:
            yield self.differs("meter_level", "its level goes on, and the next segment has no summary")
        told = {one.told for recorded in self._series.values() for one in recorded}
        if self._in_values not in {None, len(told)}:
            yield self.differs("meter_values", f"it has {self._in_values} values, its usage gives {len(told)}")
        for kind, message in series_differ(self._stored, self._series, mode=self._mode):
            yield self.differs(kind, message)

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
