"""Reads what a meter has counted, window by window; what no fold has counted yet is added."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.db.rows import read_rows
from usage_billing.meters.counting import gained_by
from usage_billing.meters.definition import Definition, Level, Mode
from usage_billing.meters.measures import extreme_of
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.storing import SourceFold, work_of
from usage_billing.meters.values import State

MAX_TAIL = 20_000
"""More recordings than this are not counted for a read; the answer says how many are missing."""

_STORED = text("""
    SELECT width_bucket(greatest(b.bucket_start, s.period_start), CAST(:starts AS timestamptz[])) AS place,
        s.period_start,
        CAST(x.dimensions AS text) AS dimensions, CAST(sum(b.events) AS bigint) AS events, sum(b.total) AS total,
        max(b.maximum) AS maximum, min(b.minimum) AS minimum, max(b.latest) AS latest
    FROM usage_summaries AS s
    JOIN meter_buckets AS b ON b.summary_id = s.id AND b.bucket_start < :end
        AND b.bucket_start >= CAST(:start AS timestamptz) - interval '1 hour'
        AND greatest(b.bucket_start, s.period_start) >= :start
    JOIN meter_series AS x
        ON x.subscription_id = s.subscription_id AND x.usage_type_id = s.usage_type_id AND x.series = b.series
    WHERE s.subscription_id = :subscription AND s.usage_type_id = :meter
        AND s.period_start < :end AND s.period_end > :start
    GROUP BY place, s.period_start, x.dimensions
    HAVING sum(b.events) <> 0
""")
# The changes of a level from bucket to bucket; those before the first window, of place 0, say where it stands then.
_CHANGES = """
    SELECT place, period_start, dimensions, bills_at, CAST(sum(events) AS bigint) AS events, sum(total) AS total,
        sum(weighted) AS weighted
    FROM (
        SELECT width_bucket(greatest(b.bucket_start, s.period_start), CAST(:starts AS timestamptz[])) AS place,
            min(s.period_start) OVER (PARTITION BY s.bills_at) AS period_start, s.bills_at,
            CAST(x.dimensions AS text) AS dimensions, b.events, {change} AS total, {weighted} AS weighted
        FROM usage_summaries AS s
        JOIN meter_buckets AS b ON b.summary_id = s.id AND greatest(b.bucket_start, s.period_start) < :end
        JOIN meter_series AS x
            ON x.subscription_id = s.subscription_id AND x.usage_type_id = s.usage_type_id AND x.series = b.series
        WHERE s.subscription_id = :subscription AND s.usage_type_id = :meter AND s.period_start < :end
            AND (:carry OR s.bills_at > :start) AND b.events <> 0
        WINDOW before AS (
            PARTITION BY b.series, CASE WHEN :carry THEN NULL ELSE s.bills_at END
            ORDER BY b.bucket_start, s.period_start
        )
    ) AS changes
    GROUP BY 1, 2, 3, 4
"""
_BEFORE = "coalesce(lag(b.latest[3]) OVER before, 0)"
_LEFT = text("""
    SELECT s.id AS source, s.period_start, s.events, s.voids, x.folded, x.folded_voids, f.starts, f.summaries
    FROM usage_types AS t
    JOIN usage_summaries AS s ON s.usage_type_id = coalesce(t.of, t.id) AND s.subscription_id = :subscription
    LEFT JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = t.id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN :anew THEN 0 ELSE coalesce(f.folded, 0) END AS folded,
            CASE WHEN :anew THEN 0 ELSE coalesce(f.folded_voids, 0) END AS folded_voids
    ) AS x
    WHERE t.id = :meter AND (s.to_rate OR :all) AND s.period_start < :end AND s.period_end > greatest(:start, :since)
        AND (s.events > x.folded OR s.voids > x.folded_voids)
    ORDER BY s.id
""")
_TAIL = """
    WITH {gained}
    SELECT width_bucket(x.at, CAST(:starts AS timestamptz[])) AS place, CAST(g.dims AS text) AS dimensions,
        CAST(sum(g.events) AS bigint) AS events, sum(g.total) AS total{extreme}
    FROM gained AS g
    JOIN parts AS p ON p.summary = g.summary
    CROSS JOIN LATERAL (SELECT greatest(g.bucket, p.starts) AS at) AS x
    WHERE x.at >= :start AND x.at < :end
    GROUP BY place, g.dims
"""
_WHOLE = text("""
    SELECT width_bucket(period_start, CAST(:starts AS timestamptz[])) AS place, period_start,
        events - voids AS events, total
    FROM usage_summaries
    WHERE subscription_id = :subscription AND usage_type_id = :usage_type
        AND period_start >= :start AND period_start < :end
""")
_NOTHING = Decimal(0)
_decoder = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class LeftToCount:
    """A summary of recordings of which a meter has not counted all."""

    source: int
    period_start: datetime
    events: int
    voids: int
    folded: int
    folded_voids: int
    starts: list[datetime] | None
    summaries: list[int] | None

    @property
    def recordings(self) -> int:
        """How many recordings, or what was taken back, are left."""
        return self.events - self.folded + self.voids - self.folded_voids

    @property
    def takes_back(self) -> bool:
        """Whether recordings that are counted were taken back since."""
        return self.folded > 0 and self.voids > self.folded_voids


@dataclass(frozen=True, slots=True)
class WindowState:
    """What is kept of one series in window number ``place``, from 1, of a period that begins at ``period_start``.

    ``dimensions`` are the values in the order of the definition, or ``{"other": true}``.
    """

    place: int
    period_start: datetime
    dimensions: Any
    state: State


def stored_states(session: Session, subscription_id: str, meter: str, windows: Sequence[Period]) -> list[WindowState]:
    """What folds have counted in these windows."""
    rows = session.execute(_STORED, {"subscription": subscription_id, "meter": meter, **_asked(windows)})
    return [WindowState(row.place, row.period_start, _decoder.decode(row.dimensions), _state(row)) for row in rows]


def stored_changes(
    session: Session, subscription_id: str, meter: str, windows: Sequence[Period], *, level: Level
) -> list[tuple[WindowState, datetime]]:
    """What folds have counted of a level in these windows, each with the end of its billing period.

    Place 0 has where it stands at the first window, and no place in time. ``period_start`` is that of the period.
    """
    change, weighted = "b.total", "b.weighted"
    if level.mode == Mode.SET:
        change, weighted = f"b.latest[3] - {_BEFORE}", f"b.weighted + (b.first[3] - {_BEFORE}) * b.first[1]"
    asked = {"subscription": subscription_id, "meter": meter, "carry": level.carry, **_asked(windows)}
    rows = session.execute(text(_CHANGES.format(change=change, weighted=weighted)), asked)
    return [
        (WindowState(row.place, row.period_start, _decoder.decode(row.dimensions), _state(row)), row.bills_at)
        for row in rows
    ]


def whole_states(
    session: Session, subscription_id: str, usage_type: str, windows: Sequence[Period]
) -> list[WindowState]:
    """What a usage type that counts its own recordings came to, where each of its segments lies in one window."""
    rows = session.execute(_WHOLE, {"subscription": subscription_id, "usage_type": usage_type, **_asked(windows)})
    return [WindowState(row.place, row.period_start, [], _state(row)) for row in rows]


def left_to_count(
    session: Session, subscription_id: str, meter: ActiveMeter, windows: Sequence[Period], *, anew: bool
) -> list[LeftToCount]:
    """What no fold has counted yet of the summaries that these windows touch; ``anew`` as if nothing were counted."""
    asked: dict[str, Any] = {"subscription": subscription_id, "meter": meter.usage_type_id, "since": meter.since}
    # What is not to be rated has been folded by billing, unless the meter has still to look back on it.
    asked |= {"anew": anew, "all": anew or not meter.looked_back, **_asked(windows)}
    return read_rows(session.execute(_LEFT, asked), LeftToCount)


def tail_states(
    session: Session,
    subscription_id: str,
    definition: Definition,
    left: LeftToCount,
    windows: Sequence[Period],
    *,
    meter: ActiveMeter,
    minutes: int,
) -> list[WindowState]:
    """What is left of one summary, counted now; nothing is stored."""
    places = list(zip(left.starts or (), left.summaries or (), strict=True)) or [(left.period_start, -left.source)]
    work = SourceFold(
        source=left.source,
        subscription_id=subscription_id,
        folded=left.folded,
        upto=left.events,
        folded_voids=left.folded_voids,
        voids=left.voids,
        minutes=minutes,
        places=places,
    )
    gained, parameters = gained_by(definition)
    asked = {
        **work_of([work]),
        **parameters,
        **_asked(windows),
        "since": meter.since,
        "retired": meter.retired_at,
        "series_limit": definition.lumps_beyond,
    }
    extreme = extreme_of(definition)
    column = "" if extreme is None else f", {extreme.aggregate}(g.{extreme.column}) AS {extreme.column}"
    rows = session.execute(text(_TAIL.format(gained=gained, extreme=column)), asked)
    return [WindowState(row.place, left.period_start, _decoder.decode(row.dimensions), _state(row)) for row in rows]


def _state(row: Any) -> State:
    latest = getattr(row, "latest", None)
    return State(
        events=row.events,
        total=row.total,
        maximum=getattr(row, "maximum", None),
        minimum=getattr(row, "minimum", None),
        latest=None if latest is None else tuple(latest),
        weighted=getattr(row, "weighted", _NOTHING),
    )


def _asked(windows: Sequence[Period]) -> dict[str, Any]:
    return {
        "starts": [window.start for window in windows],
        "start": windows[0].start,
        "end": windows[-1].end,
    }
