"""Writes what folds count: series by summary and by stretch of time, values that are told apart, and the marks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.meters.counting import gained_by, is_unfit
from usage_billing.meters.definition import Definition
from usage_billing.meters.measures import extreme_of
from usage_billing.meters.remaking import adding_up, is_remade, remaking

_STORE = """
    WITH {gained}, new_series AS (
        INSERT INTO meter_series (subscription_id, usage_type_id, series, dimensions)
        SELECT DISTINCT ON (subscription_id, series) subscription_id, CAST(:meter AS text), series, dims
        FROM gained
        ORDER BY subscription_id, series
        ON CONFLICT DO NOTHING
    ), new_buckets AS (
        INSERT INTO meter_buckets AS b (summary_id, bucket_start, series, events, total{column})
        SELECT summary, bucket, series, events, total{column}
        FROM gained
        ON CONFLICT (summary_id, bucket_start, series)
            DO UPDATE SET events = b.events + excluded.events, total = b.total + excluded.total{pick_b}
    ), new_totals AS (
        INSERT INTO meter_totals AS t (summary_id, series, events, total{column}{distinct_column})
        {totals}
        ON CONFLICT (summary_id, series)
            DO UPDATE SET events = t.events + excluded.events, total = t.total + excluded.total{pick_t}{distinct_added}
    )
    SELECT 'source' AS what, m.source AS id,
        coalesce(sum(m.sign) FILTER (WHERE m.met IS NULL OR (m.met AND m.value IS NULL)), 0) AS one,
        coalesce(sum(m.sign * ({unfit})) FILTER (WHERE m.met AND m.value IS NOT NULL), 0) AS other,
        CAST(NULL AS timestamptz) AS bucket
    FROM measured AS m
    GROUP BY m.source
    UNION ALL
    SELECT 'summary', summary, sum(added), sum(taken), NULL
    FROM gained
    GROUP BY summary
    UNION ALL
    SELECT DISTINCT 'bucket', summary, 0, 0, bucket
    FROM gained
    WHERE {spoils}
"""
_TOTALS = """
        SELECT summary, series, sum(events), sum(total){greatest}
        FROM gained
        GROUP BY summary, series
"""
# A value that no recording had turns up, or the last recording that had it goes.
_TURNED = """
    , new_values AS (
        INSERT INTO meter_values AS v (summary_id, series, digest, n)
        SELECT summary, series, digest, n
        FROM told
        ON CONFLICT (summary_id, series, digest) DO UPDATE SET n = v.n + excluded.n
        RETURNING summary_id, series, digest, n
    ), turned AS (
        SELECT t.summary, t.series,
            count(*) FILTER (WHERE v.n > 0 AND v.n <= t.n) - count(*) FILTER (WHERE v.n = 0) AS distinct_values
        FROM told AS t
        JOIN new_values AS v ON v.summary_id = t.summary AND v.series = t.series AND v.digest = t.digest
        GROUP BY t.summary, t.series
    )"""
_WINDOWED = """
    , new_window_values AS (
        INSERT INTO meter_window_values AS v (summary_id, window_start, digest, n)
        SELECT summary, window_start, digest, n
        FROM windowed
        ON CONFLICT (summary_id, window_start, digest) DO UPDATE SET n = v.n + excluded.n
    )"""
_TOTALS_OF_VALUES = """
        SELECT summary, series, coalesce(events, 0), coalesce(total, 0), coalesce(distinct_values, 0)
        FROM (SELECT summary, series, sum(events) AS events, sum(total) AS total FROM gained GROUP BY 1, 2) AS g
        FULL JOIN turned USING (summary, series)
"""
_SAVE = text("""
    UPDATE meter_folds AS f
    SET folded = v.folded, folded_voids = v.folded_voids, skipped = f.skipped + v.skipped, unfit = f.unfit + v.unfit
    FROM unnest(CAST(:sources AS bigint[]), CAST(:folded AS bigint[]), CAST(:folded_voids AS bigint[]),
        CAST(:skipped AS bigint[]), CAST(:unfit AS bigint[])) AS v (source, folded, folded_voids, skipped, unfit)
    WHERE f.source_summary_id = v.source AND f.usage_type_id = :meter
""")


@dataclass(slots=True)
class SourceFold:
    """A summary of recordings that is counted into a meter: from where, up to where, and into which summaries.

    ``places`` are (start of the meter's segment, id of its summary), in order. ``minutes`` is the length of a bucket.
    ``windows`` are where the windows begin that it touches, of a meter that tells values apart by window.
    """

    source: int
    subscription_id: str
    folded: int
    upto: int
    folded_voids: int
    voids: int
    minutes: int
    places: Sequence[tuple[datetime, int]]
    windows: Sequence[datetime] = ()


@dataclass(slots=True)
class Gained:
    """What a fold did: by summary of the meter, how many recordings came and went; and how many had no value."""

    summaries: dict[int, tuple[int, int]] = field(default_factory=dict)
    skipped: int = 0


def count_into(
    session: Session,
    meter: str,
    definition: Definition,
    work: Sequence[SourceFold],
    *,
    since: datetime,
    retired_at: datetime | None,
) -> Gained:
    """Count claimed summaries into a meter under one definition, and move their watermarks on."""
    statement, parameters = _store(definition)
    rows = session.execute(
        text(statement),
        {
            **work_of(work),
            **parameters,
            "meter": meter,
            "since": since,
            "retired": retired_at,
            "series_limit": definition.lumps_beyond,
        },
    ).all()
    by_source = {row.id: (int(row.one), int(row.other)) for row in rows if row.what == "source"}
    session.execute(
        _SAVE,
        {
            "meter": meter,
            "sources": [one.source for one in work],
            "folded": [one.upto for one in work],
            "folded_voids": [one.voids for one in work],
            "skipped": [by_source.get(one.source, (0, 0))[0] for one in work],
            "unfit": [by_source.get(one.source, (0, 0))[1] for one in work],
        },
    )
    spoilt = [(row.id, row.bucket) for row in rows if row.what == "bucket"]
    if spoilt and is_remade(definition, taken=True):
        _remake(session, meter, definition, work, spoilt, since=since, retired_at=retired_at)
    return Gained(
        {row.id: (int(row.one), int(row.other)) for row in rows if row.what == "summary"},
        sum(skipped for skipped, _ in by_source.values()),
    )


def _store(definition: Definition) -> tuple[str, dict[str, str | list[str]]]:
    """The statement that counts, by what is kept for the function; and its parameters."""
    gained, parameters = gained_by(definition)
    extreme, tells = extreme_of(definition), definition.is_of_any_kind
    column = "" if extreme is None else f", {extreme.column}"
    picks = {
        table: ""
        if extreme is None
        else f", {extreme.column} = {extreme.pick}({table}.{extreme.column}, excluded.{extreme.column})"
        for table in ("b", "t")
    }
    greatest = "" if extreme is None else f", {extreme.aggregate}({extreme.column})"
    statement = _STORE.format(
        gained=gained + (_TURNED if tells else "") + (_WINDOWED if definition.tells_by_window else ""),
        unfit=is_unfit(definition),
        spoils="true" if is_remade(definition, taken=False) else "taken > 0",
        column=column,
        pick_b=picks["b"],
        pick_t=picks["t"],
        totals=_TOTALS_OF_VALUES if tells else _TOTALS.format(greatest=greatest),
        distinct_column=", distinct_values" if tells else "",
        distinct_added=", distinct_values = t.distinct_values + excluded.distinct_values" if tells else "",
    )
    return statement, parameters


def _remake(
    session: Session,
    meter: str,
    definition: Definition,
    work: Sequence[SourceFold],
    spoilt: Sequence[tuple[int, datetime]],
    *,
    since: datetime,
    retired_at: datetime | None,
) -> None:
    """Count these buckets again, then add them up."""
    places = {summary: one for one in work for _, summary in one.places}
    statement, parameters = remaking(definition)
    session.execute(
        text(statement),
        {
            **parameters,
            "meter": meter,
            "summaries": [summary for summary, _ in spoilt],
            "buckets": [bucket for _, bucket in spoilt],
            "subscriptions": [places[summary].subscription_id for summary, _ in spoilt],
            "minutes": [places[summary].minutes for summary, _ in spoilt],
            "since": since,
            "retired": retired_at,
        },
    )
    again = {"summaries": [summary for summary, _ in spoilt], "buckets": [bucket for _, bucket in spoilt]}
    session.execute(text(adding_up(definition)), again)


def work_of(work: Sequence[SourceFold]) -> dict[str, list[int] | list[str] | list[datetime]]:
    """The parameters of ``counting.gained_by`` for these summaries."""
    parts = [(one, start, summary) for one in work for start, summary in one.places]
    return {
        "sources": [one.source for one in work],
        "folded": [one.folded for one in work],
        "upto": [one.upto for one in work],
        "folded_voids": [one.folded_voids for one in work],
        "voids": [one.voids for one in work],
        "minutes": [one.minutes for one in work],
        "part_sources": [one.source for one, _, _ in parts],
        "part_starts": [start for _, start, _ in parts],
        "part_subscriptions": [one.subscription_id for one, _, _ in parts],
        "part_summaries": [summary for _, _, summary in parts],
        "slot_sources": [one.source for one in work for _ in one.windows],
        "slot_starts": [start for one in work for start in one.windows],
    }
