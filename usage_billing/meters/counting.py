"""The SQL that counts recordings once more: from ordinals of summaries to what each series gained in each bucket.

Folding adds its result to the stored numbers; a read adds it to what it shows. Both begin with the same common table
expressions, made here for one definition. Pure.

``work``: a row for each summary of recordings to be counted, from ``folded`` (exclusive) to ``upto``, without those
taken back by void number ``voids``, and minus those counted before that voids after ``folded_voids`` took back.
``parts``: where in it the meter's own segments begin, and their summaries.
"""

import msgspec

from usage_billing.expressions.sql import ReadOnce, SqlCompiler
from usage_billing.meters.definition import Definition
from usage_billing.meters.dimensions import MAX_DIMENSION
from usage_billing.meters.measures import Extreme, digest_in_sql, extreme_of, value_in_sql
from usage_billing.meters.telling import told_by

OTHER_SERIES = "00000000-0000-0000-0000-000000000000"
WHOLE = "ffffffff-ffff-ffff-ffff-ffffffffffff"
"""Stands for all series together where their distinct values are counted."""

_WORK = """
    work AS MATERIALIZED (
        SELECT *, make_interval(mins => minutes) AS width
        FROM unnest(CAST(:sources AS bigint[]), CAST(:folded AS bigint[]), CAST(:upto AS bigint[]),
            CAST(:folded_voids AS bigint[]), CAST(:voids AS bigint[]), CAST(:minutes AS int[]))
            AS w (source, folded, upto, folded_voids, voids, minutes)
    ), parts AS MATERIALIZED (
        SELECT source, starts, subscription_id, summary,
            lead(starts, 1, 'infinity') OVER (PARTITION BY source ORDER BY starts) AS ends
        FROM unnest(CAST(:part_sources AS bigint[]), CAST(:part_starts AS timestamptz[]),
            CAST(:part_subscriptions AS text[]), CAST(:part_summaries AS bigint[]))
            AS p (source, starts, subscription_id, summary)
    )"""
# OFFSET 0 keeps PostgreSQL from joining a whole table: each summary's recordings are looked up by the index of their
# ordinals, and the few voids by their key.
_SEEN = """
    seen AS (
        SELECT w.source, w.width, u.*, 1 AS sign
        FROM work AS w
        CROSS JOIN LATERAL (
            SELECT u.occurred_at, u.ordinal, u.quantity, u.metadata
            FROM usage AS u
            WHERE u.summary_id = w.source AND u.ordinal > w.folded AND u.ordinal <= w.upto
                AND u.occurred_at >= :since AND (CAST(:retired AS timestamptz) IS NULL OR u.recorded_at < :retired)
                AND CASE WHEN w.voids = 0 THEN true ELSE NOT EXISTS (
                    SELECT FROM usage_voids AS v WHERE v.usage_id = u.id AND v.ordinal <= w.voids
                ) END
            OFFSET 0
        ) AS u
        UNION ALL
        SELECT w.source, w.width, u.*, -1
        FROM work AS w
        CROSS JOIN LATERAL (
            SELECT u.occurred_at, u.ordinal, u.quantity, u.metadata
            FROM usage_voids AS v
            JOIN usage AS u ON u.id = v.usage_id
            WHERE v.summary_id = w.source AND v.ordinal > w.folded_voids AND v.ordinal <= w.voids
                AND u.ordinal <= w.folded
                AND u.occurred_at >= :since AND (CAST(:retired AS timestamptz) IS NULL OR u.recorded_at < :retired)
            OFFSET 0
        ) AS u
    )"""
_MEASURED = """
    counted AS (
        SELECT source, width, occurred_at, ordinal, sign, {condition} AS met, {value} AS raw{dimensions}
        FROM {seen} AS seen
        OFFSET 0
    ), measured AS MATERIALIZED (
        SELECT *, {rounded} AS value{digest}{fits}
        FROM counted
    ), grouped AS MATERIALIZED (
        SELECT p.summary, {values} AS dims, date_bin(m.width, m.occurred_at, 'epoch') AS bucket,
            sum(CASE WHEN m.sign > 0 THEN m.value ELSE - m.value END) AS total,
            count(*) FILTER (WHERE m.sign > 0) AS added, count(*) FILTER (WHERE m.sign < 0) AS taken,
            min(m.ordinal) AS first{extreme}
        FROM measured AS m
        JOIN parts AS p ON p.source = m.source AND m.occurred_at >= p.starts AND m.occurred_at < p.ends
        WHERE m.met AND m.value IS NOT NULL
        GROUP BY p.summary, bucket{keys}
    ), keyed AS MATERIALIZED (
        SELECT g.*, p.subscription_id, CAST(md5(CAST(g.dims AS text)) AS uuid) AS series
        FROM grouped AS g
        JOIN (SELECT DISTINCT summary, subscription_id FROM parts) AS p USING (summary)
    ), fresh AS (
        SELECT k.summary, k.series, row_number() OVER (PARTITION BY k.summary ORDER BY min(k.first), k.series) AS place
        FROM keyed AS k
        WHERE NOT EXISTS (SELECT FROM meter_totals AS t WHERE t.summary_id = k.summary AND t.series = k.series)
        GROUP BY k.summary, k.series
    ), taken_places AS (
        SELECT summary_id, count(*) AS places
        FROM meter_totals
        WHERE summary_id IN (SELECT summary FROM fresh)
            AND series NOT IN (CAST(:other AS uuid), CAST(:whole AS uuid))
        GROUP BY summary_id
    ), lumped AS (
        SELECT f.summary, f.series
        FROM fresh AS f
        LEFT JOIN taken_places AS t ON t.summary_id = f.summary
        WHERE f.place + coalesce(t.places, 0) > :series_limit{unnamed}
    ), gained AS MATERIALIZED (
        SELECT k.summary, k.subscription_id, k.bucket, s.series,
            CASE WHEN l.series IS NULL THEN k.dims ELSE CAST('{{"other": true}}' AS jsonb) END AS dims,
            sum(k.added) - sum(k.taken) AS events, sum(k.total) AS total, sum(k.added) AS added,
            sum(k.taken) AS taken{greatest}
        FROM keyed AS k
        LEFT JOIN lumped AS l USING (summary, series)
        CROSS JOIN LATERAL (
            SELECT CASE WHEN l.series IS NULL THEN k.series ELSE CAST(:other AS uuid) END AS series
        ) AS s
        GROUP BY 1, 2, 3, 4, 5
    )"""
# A series that a cell of a price names is never lumped: its cell's total would be wrong.
_UNNAMED = """ AND NOT EXISTS (
            SELECT
            FROM keyed AS k
            CROSS JOIN jsonb_array_elements(CAST(:named AS jsonb)) AS c (wanted)
            WHERE k.summary = f.summary AND k.series = f.series AND {met}
        )"""


def gained_by(definition: Definition) -> tuple[str, dict[str, str | list[str]]]:
    """The common table expressions up to ``gained``, for a statement that begins with WITH, and their parameters.

    ``gained`` has (summary, subscription_id, bucket, series, dims, events, total, added, taken), and the column of
    ``measures.extreme_of`` of what was added; ``measured`` has (source, sign, met, value) of each recording, and ``f0``
    and so on: whether a dimension's value fits. Where distinct values are counted, ``told`` has (summary, series,
    digest, n): by how many recordings each value gained or lost; and with windows ``windowed`` has (summary,
    window_start, digest, n), for statements with the slots of ``storing.work_of``.
    """
    compiler = ReadOnce("metadata")
    extreme = extreme_of(definition)
    values, keys = values_in_sql(definition)
    named, numbers = _named(definition), range(len(definition.dimensions))
    statement = _MEASURED.format(
        **measured_of(definition, compiler),
        extreme="" if extreme is None else f", {_added(extreme)} AS {extreme.column}",
        greatest="" if extreme is None else f", {extreme.aggregate}(k.{extreme.column}) AS {extreme.column}",
        values=values,
        keys=keys,
        unnamed=_UNNAMED.format(met=" AND ".join(map(_is_named, numbers))) if named else "",
    )
    statement += told_by(definition, values)
    parameters = {**compiler.parameters, "other": OTHER_SERIES, "whole": WHOLE}
    if named:
        parameters["named"] = named
    return f"{_WORK}, {_SEEN}, {statement}", parameters


def measured_of(definition: Definition, compiler: ReadOnce) -> dict[str, str]:
    """What of ``_MEASURED`` and of ``remaking`` is the definition's, from the metadata of ``seen`` to a number."""
    value = "quantity" if definition.value_expression is None else definition.value_expression.sql(compiler)
    condition = "true" if definition.condition is None else definition.condition.sql(compiler)
    dimensions = "".join(f", {one.expression.sql(compiler)} AS d{i}" for i, one in enumerate(definition.dimensions))
    return {
        "seen": compiler.beside("seen"),
        "condition": condition,
        "value": value,
        "rounded": value_in_sql(definition),
        "digest": f", {digest_in_sql('raw')} AS digest" if definition.is_of_any_kind else "",
        "dimensions": dimensions,
        "fits": "".join(f", {_fits(f'd{index}')} AS f{index}" for index in range(len(definition.dimensions))),
    }


def _named(definition: Definition) -> str:
    """What cells of prices name, each as the values wanted in the places of the dimensions; null is any value."""
    names = [one.name for one in definition.dimensions]
    cells = [[cell.get(name) for name in names] for cell in definition.named if cell.keys() <= set(names)]
    return msgspec.json.encode(cells).decode() if cells else ""


def _is_named(index: int) -> str:
    return f"(jsonb_typeof(c.wanted -> {index}) = 'null' OR (c.wanted -> {index}) @> (k.dims -> {index}))"


def skipped_in(definition: Definition, *, limit: int) -> tuple[str, dict[str, str | list[str]]]:
    """The statement for recordings of the summary ``:source``, up to ``:folded``, that have no value; latest first."""
    compiler = SqlCompiler("metadata")
    met = "true" if definition.condition is None else definition.condition.sql(compiler)
    value = "quantity" if definition.value_expression is None else definition.value_expression.sql(compiler)
    statement = f"""
        SELECT id, quantity, CAST(metadata AS text) AS metadata
        FROM (
            SELECT u.id, u.ordinal, u.quantity, u.metadata, {met} AS met, {value} AS raw
            FROM usage AS u
            WHERE u.summary_id = :source AND u.ordinal <= :folded
                AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
            OFFSET 0
        ) AS counted
        WHERE met IS NULL OR (met AND ({value_in_sql(definition)}) IS NULL)
        ORDER BY ordinal DESC
        LIMIT {limit}
    """  # noqa: S608  made of the compiler's SQL; names and texts are parameters
    return statement, compiler.parameters


def is_unfit(definition: Definition) -> str:
    """The number of values of dimensions, of a row of ``measured``, that count as null though they are there."""
    return " + ".join(f"CAST(m.f{index} IS FALSE AS int)" for index in range(len(definition.dimensions))) or "0"


def scalar_in_sql(dimension: str) -> str:
    """The value of a dimension by which a series is told apart: null where there is none, or none that fits."""
    return f"CASE WHEN {_fits(dimension)} THEN {dimension} ELSE CAST('null' AS jsonb) END"


def _fits(name: str) -> str:
    """Whether a dimension's value is a short scalar; NULL where there is none."""
    return f"jsonb_typeof({name}) NOT IN ('array', 'object') AND length({name} #>> '{{}}') <= {MAX_DIMENSION}"


def values_in_sql(definition: Definition) -> tuple[str, str]:
    """The values of a recording's dimensions, of a row of ``measured``: as one jsonb array, and one after the other."""
    each = [
        f"CASE WHEN m.f{index} THEN {_one_spelling(f'm.d{index}')} ELSE CAST('null' AS jsonb) END"
        for index in range(len(definition.dimensions))
    ]
    return f"jsonb_build_array({', '.join(each)})", "".join(f", {one}" for one in each)


def _one_spelling(value: str) -> str:
    """Of a number: 1.0 is 1."""
    number = f"to_jsonb(trim_scale(CAST({value} AS numeric)))"
    return f"CASE jsonb_typeof({value}) WHEN 'number' THEN {number} ELSE {value} END"


def _added(extreme: Extreme) -> str:
    filtered = "" if extreme.is_sum else " FILTER (WHERE m.sign > 0)"
    return f"{extreme.aggregate}({extreme.each}){filtered}"
