"""The SQL that tells distinct values apart, of all recordings that ``counting`` measures; by window too. Pure."""

from usage_billing.meters.definition import Definition

# Of each value, how many recordings came and went; the values of all series together where there are several.
_TOLD = """
    valued AS MATERIALIZED (
        SELECT p.summary, CAST(md5(CAST({values} AS text)) AS uuid) AS series, m.digest, sum(m.sign) AS n
        FROM measured AS m
        JOIN parts AS p ON p.source = m.source AND m.occurred_at >= p.starts AND m.occurred_at < p.ends
        WHERE m.met AND m.value IS NOT NULL
        GROUP BY 1, 2, 3
    ), told AS MATERIALIZED (
        SELECT summary, series, digest, sum(n) AS n
        FROM (
            SELECT v.summary, CASE WHEN l.series IS NULL THEN v.series ELSE CAST(:other AS uuid) END, v.digest, v.n
            FROM valued AS v
            LEFT JOIN lumped AS l USING (summary, series)
            UNION ALL
            SELECT summary, CAST(:whole AS uuid), digest, n
            FROM valued
            WHERE {has_dimensions}
        ) AS v (summary, series, digest, n)
        GROUP BY 1, 2, 3
        HAVING sum(n) <> 0
    )"""
# The same by the window that a recording occurred in, of all series together.
_TOLD_BY_WINDOW = """
    slots AS MATERIALIZED (
        SELECT source, array_agg(starts ORDER BY starts) AS starts
        FROM unnest(CAST(:slot_sources AS bigint[]), CAST(:slot_starts AS timestamptz[])) AS s (source, starts)
        GROUP BY source
    ), windowed AS MATERIALIZED (
        SELECT p.summary, s.starts[width_bucket(m.occurred_at, s.starts)] AS window_start, m.digest, sum(m.sign) AS n
        FROM measured AS m
        JOIN parts AS p ON p.source = m.source AND m.occurred_at >= p.starts AND m.occurred_at < p.ends
        JOIN slots AS s ON s.source = m.source
        WHERE m.met AND m.value IS NOT NULL
        GROUP BY 1, 2, 3
        HAVING sum(m.sign) <> 0
    )"""


def told_by(definition: Definition, values: str) -> str:
    """The common table expressions that follow ``gained``; none where no values are told apart.

    ``values`` is the SQL of a recording's dimensions.
    """
    if not definition.is_of_any_kind:
        return ""
    told = "," + _TOLD.format(values=values, has_dimensions=str(bool(definition.dimensions)).lower())
    return f"{told},{_TOLD_BY_WINDOW}" if definition.tells_by_window else told
