"""What was recorded of a level, read once for all its summaries: each goes on from all recordings before it."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.cell_totals import Counted
from usage_billing.reports.verify.functions import Span
from usage_billing.reports.verify.level_cells import counted_by_series
from usage_billing.reports.verify.level_steps import Course, Step
from usage_billing.reports.verify.measure import Measure, series_text
from usage_billing.reports.verify.meter_rows import FETCH, USAGE, definition_at, folds_of, meter_of, place_of

_KEPT = text("""
    SELECT t.summary_id, CAST(x.dimensions AS text) AS dimensions
    FROM usage_summaries AS s
    JOIN meter_totals AS t ON t.summary_id = s.id
    JOIN meter_series AS x
        ON x.subscription_id = s.subscription_id AND x.usage_type_id = s.usage_type_id AND x.series = t.series
    WHERE s.subscription_id = :subscription AND s.usage_type_id = :meter AND EXISTS (
        SELECT
        FROM meter_totals AS o
        JOIN meter_series AS y
            ON y.subscription_id = s.subscription_id AND y.usage_type_id = s.usage_type_id AND y.series = o.series
        WHERE o.summary_id = s.id AND y.dimensions = '{"other": true}'
    )
""")
_any = msgspec.json.Decoder(float_hook=Decimal)
FAR = datetime.max.replace(tzinfo=UTC)
SEEN = "seen"
"""The mode of distinct values that are carried."""
Sources = Mapping[int, tuple[int, int]]
"""How far summaries of recordings count: {summary: (recordings, voids)}."""


class Recorded(NamedTuple):
    """A recording that has a value: where it stands, what took it back, the level's summary that it came to.

    Where distinct values are carried ``told`` is the value, and the step is 1. ``values`` are those of its series by
    dimension; none where its summary has series that are counted as one, and this is among them.
    """

    source: int
    ordinal: int
    void: int | None
    summary: int | None
    step: Step
    told: str = ""
    values: Mapping[str, Any] = {}

    def counts(self, sources: Sources) -> bool:
        """Whether it counts as far as ``sources`` goes: it did not come later, and was not taken back by then."""
        events, voids = sources.get(self.source, (0, 0))
        return self.ordinal <= events and (self.void is None or self.void > voids)


class LevelOfSubscription:
    """The recordings of one level, in the order in which they occurred."""

    def __init__(self, session: Session, asked: dict[str, Any]) -> None:
        self.meter, folds, kept = meter_of(session, asked), folds_of(session, asked), _kept_where_lumped(session, asked)
        self._mode = definition_at(session, asked, FAR).mode  # as in every definition of it
        self._sources: Sources = {id: (row.folded, row.folded_voids) for id, row in folds.items()}
        rows = session.execute(
            USAGE,
            {"sources": list(folds), "since": self.meter.since, "retired": self.meter.retired_at},
            execution_options={"yield_per": FETCH},
        )
        measures: dict[datetime, Measure] = {}
        self._all: list[Recorded] = []
        for row in rows:
            fold = folds[row.summary_id]
            if fold.period_start not in measures:
                measures[fold.period_start] = Measure(definition_at(session, asked, fold.period_start))
            found = measures[fold.period_start].of(row)
            if found is not None:
                value, told = (Decimal(1), found[0]) if self._mode == SEEN else (found[0], "")
                step = Step(row.occurred_at, row.ordinal, value, found[1])
                place = place_of(fold, row.occurred_at)
                values = found[2] if place not in kept or found[1] in kept[place] else {}
                self._all.append(Recorded(row.summary_id, row.ordinal, row.void, place, step, told, values))
        self._all.sort(key=lambda one: one.step[:2])
        self._moments = [one.step.at for one in self._all]
        self._by_summary: dict[int | None, list[Recorded]] = defaultdict(list)
        for one in self._all:
            self._by_summary[one.summary].append(one)
        self._whole: Course | None = None

    def recorded_in(self, summary: int, sources: Sources | None = None) -> list[Recorded]:
        """What came to a summary, as far as ``sources`` goes; without, as far as folds have counted."""
        known = self._sources if sources is None else sources
        return [one for one in self._by_summary.get(summary, ()) if one.counts(known)]

    def course(
        self, sources: Sources | None = None, *, since: datetime | None = None, end: datetime | None = None
    ) -> Course:
        """What recordings from ``since`` to ``end`` make of the level, as far as ``sources`` goes.

        Without any of these it is the whole one, which is made once.
        """
        if sources is None and since is None:
            if self._whole is None:
                self._whole = self._made(self._counting(None, None, None))
            return self._whole
        return self._made(self._counting(sources, since, end))

    def by_series(
        self,
        definition: Any,
        spans: Sequence[Span],
        *,
        start: datetime,
        upto: datetime,
        sources: Sources | None = None,
    ) -> list[Counted]:
        """What each series came to in the segments of a billing period that begins at ``start``, as of ``upto``."""
        counting = self._counting(sources, None if definition.carry else start, spans[-1][1])
        told = [(one.step, one.values) for one in counting]
        return counted_by_series(told, definition.per, spans, is_set=self._mode == "set", upto=upto)

    def _counting(self, sources: Sources | None, since: datetime | None, end: datetime | None) -> list[Recorded]:
        begins = 0 if since is None else bisect_left(self._moments, since)
        ends = len(self._all) if end is None else bisect_left(self._moments, end)
        known = self._sources if sources is None else sources
        return [one for one in self._all[begins:ends] if one.counts(known)]

    def _made(self, counting: Sequence[Recorded]) -> Course:
        steps = [one.step for one in counting]
        if self._mode == SEEN:
            # Each distinct value is a level of its own that is set to 1 and stays.
            steps = [step._replace(series=one.told) for step, one in zip(steps, counting, strict=True)]
        return Course(steps, is_set=self._mode != "change")


class LevelBooks:
    """Keeps the level that was asked for last."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last: tuple[dict[str, Any], LevelOfSubscription] | None = None

    def of(self, asked: dict[str, Any]) -> LevelOfSubscription:
        """The recordings of a level: ``meter``, the usage type ``of`` that it counts, ``subscription``."""
        if self._last is None or self._last[0] != asked:
            self._last = (asked, LevelOfSubscription(self._session, asked))
        return self._last[1]


def _kept_where_lumped(session: Session, asked: Mapping[str, Any]) -> dict[int, set[str]]:
    """The series of those summaries of a meter in which some are counted as one."""
    found: dict[int, set[str]] = defaultdict(set)
    for row in session.execute(_KEPT, asked):
        found[row.summary_id].add(series_text(_any.decode(row.dimensions)))
    return found


def by_series(recorded: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    """What was recorded by its series, each in order."""
    found: dict[str, list[Recorded]] = {}
    for one in recorded:
        found.setdefault(one.step.series, []).append(one)
    return found
