"""The SQL that counts a bucket anew from the recordings: extremes of which one was taken back, and levels. Pure."""

from usage_billing.expressions.sql import ReadOnce
from usage_billing.meters.counting import OTHER_SERIES, measured_of, values_in_sql
from usage_billing.meters.definition import Definition
from usage_billing.meters.measures import MICROSECONDS, Extreme, extreme_of

# Recordings are found by their place in time; the marks of folds, which have moved on by now, say which are counted.
_RECORDED = """
    WITH spoilt AS MATERIALIZED (
        SELECT *
        FROM unnest(CAST(:summaries AS bigint[]), CAST(:buckets AS timestamptz[]), CAST(:subscriptions AS text[]),
            CAST(:minutes AS int[])) AS s (summary, bucket, subscription, minutes)
    ), seen AS (
        SELECT s.summary, s.bucket, u.*
        FROM spoilt AS s
        CROSS JOIN LATERAL (
            SELECT u.occurred_at, u.ordinal, u.quantity, u.metadata
            FROM usage AS u
            JOIN meter_folds AS f ON f.source_summary_id = u.summary_id AND f.usage_type_id = :meter
            WHERE hashtextextended(u.subscription_id, 0) = hashtextextended(s.subscription, 0)
                AND usage_place(u.occurred_at, u.ordinal) >= usage_place(s.bucket, 0)
                AND usage_place(u.occurred_at, u.ordinal)
                    < usage_place(s.bucket + make_interval(mins => s.minutes), 0)
                AND u.ordinal <= f.folded AND f.summaries[width_bucket(u.occurred_at, f.starts)] = s.summary
                AND u.occurred_at >= :since AND (CAST(:retired AS timestamptz) IS NULL OR u.recorded_at < :retired)
                AND NOT EXISTS (
                    SELECT FROM usage_voids AS v WHERE v.usage_id = u.id AND v.ordinal <= f.folded_voids
                )
            OFFSET 0
        ) AS u
    ), counted AS (
        SELECT summary, bucket, occurred_at, ordinal, {condition} AS met, {value} AS raw{dimensions}
        FROM {seen} AS seen
        OFFSET 0
    ), measured AS MATERIALIZED (
        SELECT *, {rounded} AS value{fits}
        FROM counted
    ), keyed AS (
        SELECT m.summary, m.bucket, CAST(md5(CAST({values} AS text)) AS uuid) AS series, {each} AS found
        FROM measured AS m
        WHERE m.met AND m.value IS NOT NULL
    )"""
_REMAKE = """, remade AS MATERIALIZED (
        SELECT k.summary, k.bucket, coalesce(t.series, CAST(:other AS uuid)) AS series, {aggregate}(k.found) AS found
        FROM keyed AS k
        LEFT JOIN meter_totals AS t ON t.summary_id = k.summary AND t.series = k.series
        GROUP BY 1, 2, 3
    )
    UPDATE meter_buckets AS b
    SET {column} = (
        SELECT r.found
        FROM remade AS r
        WHERE r.summary = b.summary_id AND r.bucket = b.bucket_start AND r.series = b.series
    )
    FROM spoilt AS s
    WHERE b.summary_id = s.summary AND b.bucket_start = s.bucket
"""
_ADD_UP = """
    UPDATE meter_totals AS t
    SET {column} = (
        SELECT {aggregate}(b.{column}) FROM meter_buckets AS b WHERE b.summary_id = t.summary_id AND b.series = t.series
    )
    WHERE t.summary_id = ANY(CAST(:summaries AS bigint[]))
"""
# A level that is set changes from each value to the next; what it changes by at the first one, its reader knows.
_REMAKE_LEVEL = """, walked AS (
        SELECT *, found[3] - lag(found[3]) OVER (PARTITION BY summary, bucket, series ORDER BY found) AS change
        FROM keyed
    ), remade AS MATERIALIZED (
        SELECT summary, bucket, series, min(found) AS first, max(found) AS latest,
            coalesce(sum(change * found[1]), 0) AS weighted
        FROM walked
        GROUP BY 1, 2, 3
    )
    UPDATE meter_buckets AS b
    SET (first, latest, weighted) = (
        SELECT r.first, r.latest, r.weighted
        FROM remade AS r
        WHERE r.summary = b.summary_id AND r.bucket = b.bucket_start AND r.series = b.series
    )
    FROM spoilt AS s
    WHERE b.summary_id = s.summary AND b.bucket_start = s.bucket
"""
_ADD_UP_LEVEL = """
    UPDATE meter_totals AS t
    SET (first, latest, weighted) = (
        SELECT min(b.first), max(b.latest), sum(b.weighted + b.change * b.first[1])
        FROM (
            SELECT *, coalesce(first[3] - lag(latest[3]) OVER (ORDER BY bucket_start), 0) AS change
            FROM meter_buckets
            WHERE summary_id = t.summary_id AND series = t.series AND latest IS NOT NULL
        ) AS b
    )
    FROM (
        SELECT DISTINCT b.summary_id, b.series
        FROM unnest(CAST(:summaries AS bigint[]), CAST(:buckets AS timestamptz[])) AS s (summary, bucket)
        JOIN meter_buckets AS b ON b.summary_id = s.summary AND b.bucket_start = s.bucket
    ) AS s
    WHERE t.summary_id = s.summary_id AND t.series = s.series
"""


def remaking(definition: Definition) -> tuple[str, dict[str, str | list[str]]]:
    """The statement that counts the buckets ``:buckets`` of ``:summaries`` again; and its parameters."""
    compiler = ReadOnce("metadata")
    each, rest = f"ARRAY[{MICROSECONDS}, m.ordinal, m.value]", _REMAKE_LEVEL
    if not definition.is_set:
        extreme = _extreme(definition)
        each, rest = extreme.each, _REMAKE.format(aggregate=extreme.aggregate, column=extreme.column)
    values = values_in_sql(definition)[0]
    statement = _RECORDED.format(**measured_of(definition, compiler), values=values, each=each) + rest
    return statement, {**compiler.parameters, "other": OTHER_SERIES}


def adding_up(definition: Definition) -> str:
    """The statement that adds the buckets of ``:summaries`` up; of levels, the series in ``:buckets`` of them."""
    if definition.is_set:
        return _ADD_UP_LEVEL
    extreme = _extreme(definition)
    return _ADD_UP.format(column=extreme.column, aggregate=extreme.aggregate)


def is_remade(definition: Definition, *, taken: bool) -> bool:
    """Whether a bucket that gained recordings, or from which some were ``taken``, is counted again."""
    extreme = extreme_of(definition)
    return definition.is_set or (taken and extreme is not None and not extreme.is_sum)


def _extreme(definition: Definition) -> Extreme:
    extreme = extreme_of(definition)
    if extreme is None:
        raise LookupError(f"{definition.function} keeps no extreme")
    return extreme
