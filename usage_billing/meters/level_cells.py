"""Reads what each series of a level came to in the segments of a billing period."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.db.rows import read_rows
from usage_billing.meters.definition import Mode, Per
from usage_billing.meters.levels import Change, series_of_level, stretches_over
from usage_billing.rating.pricing.cell_totals import SegmentSeries

_LEVELS = text("""
    SELECT d.usage_type_id, d.mode, d.per, d.carry, m.retired_at IS NOT NULL AS retired
    FROM meter_definitions AS d
    JOIN meters AS m ON m.usage_type_id = d.usage_type_id
    WHERE d.usage_type_id = ANY(CAST(:types AS text[])) AND d.version = 1 AND d.function = 'level'
""")
_REACHED = text("""
    SELECT (SELECT max(upto) FROM meter_levels WHERE summary_id = ANY(CAST(:ids AS bigint[]))) AS upto, CAST((
        SELECT dimensions
        FROM meter_definitions
        WHERE usage_type_id = :meter AND effective_from <= :start
        ORDER BY version DESC
        LIMIT 1
    ) AS text) AS dimensions
""")
# Place 0 is what came before the billing period; from 1 on, its segments. What a series is set to first changes it from
# what it was set to last, by the summaries before.
_CHANGES = text("""
    SELECT CAST(dimensions AS text) AS series, place,
        sum(CASE WHEN :is_set THEN latest[3] - before ELSE total END) AS total,
        sum(CASE WHEN :is_set THEN weighted + (first[3] - before) * first[1] ELSE weighted END) AS weighted
    FROM (
        SELECT coalesce(array_position(CAST(:ids AS bigint[]), s.id), 0) AS place, t.*, x.dimensions,
            coalesce(lag(t.latest[3]) OVER (PARTITION BY t.series ORDER BY s.period_start), 0) AS before
        FROM usage_summaries AS s
        JOIN meter_totals AS t ON t.summary_id = s.id
        JOIN meter_series AS x
            ON x.subscription_id = s.subscription_id AND x.usage_type_id = s.usage_type_id AND x.series = t.series
        WHERE s.subscription_id = :subscription AND s.usage_type_id = :meter
            AND (s.id = ANY(CAST(:ids AS bigint[])) OR (:carry AND s.period_start < :start))
            AND (NOT :is_set OR t.latest IS NOT NULL)
    ) AS placed
    GROUP BY placed.series, dimensions, place
""")
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class MeteredSegments:
    """The segments of a billing period of a meter, in order, with the ids of their summaries.

    An id that is not above 0 is of none that is stored.
    """

    subscription_id: str
    usage_type_id: str
    start: datetime
    spans: Sequence[Period]
    ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class StoredLevel:
    """How a level is made and counted, and whether its meter is ``retired``, so that it stands still."""

    usage_type_id: str
    mode: str
    per: str
    carry: bool
    retired: bool


def levels_among(session: Session, usage_types: Collection[str]) -> dict[str, StoredLevel]:
    """Those of these meters that are levels, by id."""
    found = read_rows(session.execute(_LEVELS, {"types": list(usage_types)}), StoredLevel)
    return {one.usage_type_id: one for one in found}


def level_series(
    session: Session, period: MeteredSegments, level: StoredLevel, *, now: datetime | None
) -> list[SegmentSeries]:
    """What each series came to in each segment, as far as it is reckoned; with ``now``, by then if it goes on."""
    asked = {
        "subscription": period.subscription_id,
        "meter": period.usage_type_id,
        "start": period.start,
        "ids": list(period.ids),
    }
    reached = session.execute(_REACHED, asked).one()
    instants = [reached.upto, None if level.retired else now]
    as_of = max((one for one in instants if one is not None), default=None)
    if as_of is None:
        return [SegmentSeries()] * len(period.spans)
    changes: dict[str, list[Change]] = defaultdict(lambda: [Change()] * (len(period.spans) + 1))
    asked |= {"carry": level.carry, "is_set": level.mode == Mode.SET}
    for row in session.execute(_CHANGES, asked):
        changes[row.series][row.place] = Change(row.total, row.weighted)
    names = [one["as"] for one in _decoder.decode(reached.dimensions)]
    series = [
        (
            values_by_name(names, _decoder.decode(one)),
            stretches_over(period.spans, level=before.total, changes=here, as_of=as_of),
        )
        for one, (before, *here) in sorted(changes.items())
    ]
    return series_of_level(Per(level.per), series, segments=len(period.spans))


def values_by_name(names: Sequence[str], series: Any) -> dict[str, Any]:
    """The values of a series by the names of dimensions; the series beyond the limit have none."""
    return dict(zip(names, series, strict=True)) if isinstance(series, list) else {}
