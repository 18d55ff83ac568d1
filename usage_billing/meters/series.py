"""Reads what a level has changed by and what no fold has counted yet, window by window."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.meters.counting import gained_by
from usage_billing.meters.definition import Definition, Level, Mode
from usage_billing.meters.measures import extreme_of
from usage_billing.meters.queries import ActiveMeter
from usage_billing.meters.stored import LeftToCount, WindowState, asked_of, decode_dimensions
from usage_billing.meters.storing import SourceFold, work_of
from usage_billing.meters.values import State

MAX_TAIL = 20_000
"""More recordings than this are not counted for a read; the answer says how many are missing."""

MAX_PLAIN = 200_000
"""So many are counted, in half a second, for a read of a usage type that counts its own recordings."""

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


def stored_changes(
    session: Session, subscription_id: str, meter: str, windows: Sequence[Period], *, level: Level
) -> list[tuple[WindowState, datetime]]:
    """What folds have counted of a level in these windows, each with the end of its billing period.

    Place 0 has where it stands at the first window, and no place in time. ``period_start`` is that of the period.
    """
    change, weighted = "b.total", "b.weighted"
    if level.mode == Mode.SET:
        change, weighted = f"b.latest[3] - {_BEFORE}", f"b.weighted + (b.first[3] - {_BEFORE}) * b.first[1]"
    asked = {"subscription": subscription_id, "meter": meter, "carry": level.carry, **asked_of(windows)}
    rows = session.execute(text(_CHANGES.format(change=change, weighted=weighted)), asked)
    return [
        (WindowState(row.place, row.period_start, decode_dimensions(row.dimensions), _state(row)), row.bills_at)
        for row in rows
    ]


def whole_states(
    session: Session, subscription_id: str, usage_type: str, windows: Sequence[Period]
) -> list[WindowState]:
    """What a usage type that counts its own recordings came to, where each of its segments lies in one window."""
    rows = session.execute(_WHOLE, {"subscription": subscription_id, "usage_type": usage_type, **asked_of(windows)})
    return [WindowState(row.place, row.period_start, [], _state(row)) for row in rows]


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
        **asked_of(windows),
        "since": meter.since,
        "retired": meter.retired_at,
        "series_limit": definition.lumps_beyond,
    }
    extreme = extreme_of(definition)
    column = "" if extreme is None else f", {extreme.aggregate}(g.{extreme.column}) AS {extreme.column}"
    rows = session.execute(text(_TAIL.format(gained=gained, extreme=column)), asked)
    return [WindowState(row.place, left.period_start, decode_dimensions(row.dimensions), _state(row)) for row in rows]


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
