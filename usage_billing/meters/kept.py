"""Reads what is kept of meters: by summary what they have come to, and whose recordings that is."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.meters.counting import WHOLE
from usage_billing.meters.values import State, fresh

_STATES = text("""
    SELECT summary_id, CAST(sum(events) AS bigint) AS events, sum(total) AS total, max(maximum) AS maximum,
        min(minimum) AS minimum, max(latest) AS latest,
        coalesce(max(distinct_values) FILTER (WHERE series = CAST(:whole AS uuid)), max(distinct_values), 0)
            AS distinct_values
    FROM meter_totals
    WHERE summary_id = ANY(CAST(:ids AS bigint[]))
    GROUP BY summary_id
""")
# Each value in the first of these summaries that has it. Of a meter without dimensions, its one series is the whole.
_FIRST_SEEN = text("""
    WITH places AS (
        SELECT s.id, s.place, coalesce(
            (SELECT t.series FROM meter_totals AS t WHERE t.summary_id = s.id AND t.series = CAST(:whole AS uuid)),
            (SELECT t.series FROM meter_totals AS t WHERE t.summary_id = s.id LIMIT 1)
        ) AS series
        FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS s (id, place)
    ), firsts AS (
        SELECT min(p.place) AS place
        FROM places AS p
        JOIN meter_values AS v ON v.summary_id = p.id AND v.series = p.series AND v.n > 0
        GROUP BY v.digest
    )
    SELECT p.id, count(f.place) AS n
    FROM places AS p
    LEFT JOIN firsts AS f USING (place)
    GROUP BY p.id
""")
# Buckets are never longer than windows; one that a segment's edge cuts is in the window of what the segment has of it.
_BY_WINDOW = text("""
    SELECT s.id, width_bucket(greatest(b.bucket_start, s.period_start), CAST(:starts AS timestamptz[])) - 1 AS place,
        CAST(sum(b.events) AS bigint) AS events, sum(b.total) AS total, max(b.maximum) AS maximum,
        min(b.minimum) AS minimum, max(b.latest) AS latest
    FROM usage_summaries AS s
    JOIN meter_buckets AS b ON b.summary_id = s.id
    WHERE s.id = ANY(CAST(:ids AS bigint[]))
    GROUP BY 1, 2
    HAVING sum(b.events) <> 0
""")
_BETWEEN = text("""
    SELECT summary_id, width_bucket(bucket_start, CAST(:cuts AS timestamptz[])) AS place, sum(total) AS total
    FROM meter_buckets
    WHERE summary_id = ANY(CAST(:ids AS bigint[]))
    GROUP BY 1, 2
""")
# Each value of a window in the first of these summaries that has it.
_FIRST_SEEN_BY_WINDOW = text("""
    SELECT id, width_bucket(window_start, CAST(:starts AS timestamptz[])) - 1 AS place, count(*) AS n
    FROM (
        SELECT v.window_start, (array_agg(s.id ORDER BY s.place))[1] AS id
        FROM unnest(CAST(:ids AS bigint[])) WITH ORDINALITY AS s (id, place)
        JOIN meter_window_values AS v ON v.summary_id = s.id AND v.n > 0
        GROUP BY v.window_start, v.digest
    ) AS firsts
    GROUP BY 1, 2
""")
# Where values do not add up, a segment has its part of what all recordings of the billing period come to; a level that
# is carried comes from all recordings before it ends.
_SOURCES = text("""
    SELECT s.id AS summary, f.source_summary_id AS source, f.folded, f.folded_voids,
        CAST(extract(epoch FROM (
            SELECT max(l.upto)
            FROM usage_summaries AS n
            JOIN meter_levels AS l ON l.summary_id = n.id
            WHERE n.subscription_id = s.subscription_id AND n.usage_type_id = s.usage_type_id
                AND n.bills_at = s.bills_at
        )) * 1000000 AS bigint) AS until
    FROM usage_summaries AS s
    JOIN usage_types AS t ON t.id = s.usage_type_id
    JOIN meter_definitions AS d ON d.usage_type_id = t.id AND d.version = 1
    JOIN usage_summaries AS o ON o.subscription_id = s.subscription_id AND o.usage_type_id = t.of
    JOIN meter_folds AS f ON f.source_summary_id = o.id AND f.usage_type_id = s.usage_type_id
    WHERE s.id = ANY(CAST(:ids AS bigint[])) AND (
        s.id = ANY(f.summaries)
        OR (d.carry AND o.period_start < s.period_end)
        OR (
            (t.aggregation NOT IN ('sum', 'count') OR d.windowing IS NOT NULL)
            AND o.period_start < s.bills_at AND s.period_start < o.bills_at
        )
    )
    ORDER BY f.source_summary_id
""")


def sources_of(session: Session, summary_ids: Collection[int]) -> dict[int, list[dict[str, int]]]:
    """By summary of a meter: the summaries whose recordings it counts, and how far, ``{summary, events, voids}``.

    Of a level ``until`` is added: as of when it is reckoned, in microseconds since the epoch.
    """
    found: dict[int, list[dict[str, int]]] = {id: [] for id in summary_ids}
    for row in session.execute(_SOURCES, {"ids": list(summary_ids)}):
        source = {"summary": row.source, "events": row.folded, "voids": row.folded_voids}
        found[row.summary].append(source if row.until is None else source | {"until": row.until})
    return found


def states_of(session: Session, summary_ids: Collection[int]) -> dict[int, State]:
    """What is kept of all series of these summaries together, by summary id; of those that have any."""
    return {
        row.summary_id: State(
            events=row.events,
            total=row.total,
            maximum=row.maximum,
            minimum=row.minimum,
            latest=None if row.latest is None else tuple(row.latest),
            distinct_values=row.distinct_values,
        )
        for row in session.execute(_STATES, {"ids": list(summary_ids), "whole": WHOLE})
    }


def states_by_window(
    session: Session, summary_ids: Sequence[int], windows: Sequence[Period], *, tells: bool
) -> dict[int, dict[int, State]]:
    """By summary id and by the place of the window, from 0: what is kept of recordings; ids are in order of time.

    With ``tells``, ``distinct_values`` are those that no earlier summary has in the same window.
    """
    asked = {"ids": list(summary_ids), "starts": [window.start for window in windows]}
    found: dict[int, dict[int, State]] = {id: {} for id in summary_ids}
    for row in session.execute(_BY_WINDOW, asked):
        latest = None if row.latest is None else tuple(row.latest)
        found[row.id][row.place] = State(
            events=row.events, total=row.total, maximum=row.maximum, minimum=row.minimum, latest=latest
        )
    for row in session.execute(_FIRST_SEEN_BY_WINDOW, asked) if tells else ():
        found[row.id][row.place] = fresh(found[row.id][row.place], row.n)
    return found


def totals_between(
    session: Session, summary_ids: Sequence[int], cuts: Sequence[datetime]
) -> dict[int, dict[datetime | None, Decimal]]:
    """By summary id, what the buckets between two neighbouring cuts come to, of meters whose values add up.

    It is by the cut at which the stretch begins; None: before all cuts.
    """
    found: dict[int, dict[datetime | None, Decimal]] = {}
    if summary_ids:
        for row in session.execute(_BETWEEN, {"ids": list(summary_ids), "cuts": list(cuts)}):
            since = cuts[row.place - 1] if row.place else None
            found.setdefault(row.summary_id, {})[since] = row.total
    return found


def first_seen(session: Session, summary_ids: Sequence[int]) -> dict[int, int]:
    """By id, how many distinct values each of these summaries, in order, has that none before it has."""
    rows = session.execute(_FIRST_SEEN, {"ids": list(summary_ids), "whole": WHOLE})
    return {row.id: row.n for row in rows}
