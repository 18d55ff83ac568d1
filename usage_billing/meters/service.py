"""Writes meters: definitions, and what folds count."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.meters.counting import gained_by, is_unfit
from usage_billing.meters.definition import Definition
from usage_billing.meters.models import Meter, MeterDefinition
from usage_billing.meters.queries import EVER

BEFORE_ALL_PERIODS = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""From when the first definition of a meter holds."""

_STORE = """
    WITH {gained}, new_series AS (
        INSERT INTO meter_series (subscription_id, usage_type_id, series, dimensions)
        SELECT DISTINCT ON (subscription_id, series) subscription_id, CAST(:meter AS text), series, dims
        FROM gained
        ORDER BY subscription_id, series
        ON CONFLICT DO NOTHING
    ), new_buckets AS (
        INSERT INTO meter_buckets AS b (summary_id, bucket_start, series, events, total)
        SELECT summary, bucket, series, events, total
        FROM gained
        ON CONFLICT (summary_id, bucket_start, series)
            DO UPDATE SET events = b.events + excluded.events, total = b.total + excluded.total
    ), new_totals AS (
        INSERT INTO meter_totals AS t (summary_id, series, events, total)
        SELECT summary, series, sum(events), sum(total)
        FROM gained
        GROUP BY summary, series
        ON CONFLICT (summary_id, series)
            DO UPDATE SET events = t.events + excluded.events, total = t.total + excluded.total
    )
    SELECT 'source' AS what, m.source AS id,
        coalesce(sum(m.sign) FILTER (WHERE m.met IS NULL OR (m.met AND m.value IS NULL)), 0) AS one,
        coalesce(sum(m.sign * ({unfit})) FILTER (WHERE m.met AND m.value IS NOT NULL), 0) AS other
    FROM measured AS m
    GROUP BY m.source
    UNION ALL
    SELECT 'summary', summary, sum(added), sum(taken)
    FROM gained
    GROUP BY summary
"""
_SAVE = text("""
    UPDATE meter_folds AS f
    SET folded = v.folded, folded_voids = v.folded_voids, skipped = f.skipped + v.skipped, unfit = f.unfit + v.unfit
    FROM unnest(CAST(:sources AS bigint[]), CAST(:folded AS bigint[]), CAST(:folded_voids AS bigint[]),
        CAST(:skipped AS bigint[]), CAST(:unfit AS bigint[])) AS v (source, folded, folded_voids, skipped, unfit)
    WHERE f.source_summary_id = v.source AND f.usage_type_id = :meter
""")
_PLACE = text("""
    UPDATE meter_folds SET starts = CAST(:starts AS timestamptz[]), summaries = CAST(:summaries AS bigint[])
    WHERE source_summary_id = :source AND usage_type_id = :meter
""")
_CLAIM = text("""
    INSERT INTO meter_folds (source_summary_id, usage_type_id)
    SELECT source, meter
    FROM unnest(CAST(:sources AS bigint[]), CAST(:meters AS text[])) AS w (source, meter)
    ORDER BY source, meter
    ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT f.source_summary_id
    FROM meter_folds AS f
    JOIN unnest(CAST(:sources AS bigint[]), CAST(:meters AS text[])) AS w (source, meter)
        ON f.source_summary_id = w.source AND f.usage_type_id = w.meter
    ORDER BY f.source_summary_id, f.usage_type_id
    FOR UPDATE OF f
""")
_LOOKED_BACK = text("UPDATE meters SET looked_back = true WHERE usage_type_id = :meter")


@dataclass(slots=True)
class SourceFold:
    """A summary of recordings that is counted into a meter: from where, up to where, and into which summaries.

    ``places`` are (start of the meter's segment, id of its summary), in order. ``minutes`` is the length of a bucket.
    """

    source: int
    subscription_id: str
    folded: int
    upto: int
    folded_voids: int
    voids: int
    minutes: int
    places: Sequence[tuple[datetime, int]]


@dataclass(slots=True)
class Gained:
    """What a fold did: by summary of the meter, how many recordings came and went; and how many had no value."""

    summaries: dict[int, tuple[int, int]] = field(default_factory=dict)
    skipped: int = 0


def add_meter(session: Session, usage_type_id: str, *, since: datetime, definition: Definition) -> Meter:
    """Store a meter with its first definition, which holds for all periods."""
    meter = Meter(usage_type_id=usage_type_id, since=since, looked_back=False, retired_at=None)
    session.add(meter)
    add_definition(session, usage_type_id, definition, version=1, effective_from=BEFORE_ALL_PERIODS)
    return meter


def keep_by_time(session: Session, usage_type_id: str) -> None:
    """From now on fold a usage type's own recordings, those before included, so that they can be read by time."""
    new = {"usage_type_id": usage_type_id, "since": EVER}
    session.execute(insert(Meter).values(new).on_conflict_do_nothing())


def add_definition(
    session: Session, usage_type_id: str, definition: Definition, *, version: int, effective_from: datetime
) -> MeterDefinition:
    """Store a version of a meter's definition."""
    added = MeterDefinition(
        usage_type_id=usage_type_id,
        version=version,
        function=definition.function,
        value=definition.value,
        condition=definition.where,
        dimensions=[one.fields() for one in definition.dimensions],
        series_limit=definition.series_limit,
        effective_from=effective_from,
    )
    session.add(added)
    session.flush()
    return added


def claim_folds(session: Session, pairs: Sequence[tuple[int, str]]) -> None:
    """Become the only transaction that counts these summaries into these meters, until it ends.

    The lock has a statement of its own: one that waited and then read would see the books as they were before.
    """
    asked = {"sources": [source for source, _ in pairs], "meters": [meter for _, meter in pairs]}
    session.execute(_CLAIM, asked)
    session.execute(_LOCK, asked).all()


def place_fold(session: Session, source: int, meter: str, places: Sequence[tuple[datetime, int]]) -> None:
    """Keep into which summaries a claimed summary is counted."""
    starts, summaries = [start for start, _ in places], [summary for _, summary in places]
    session.execute(_PLACE, {"source": source, "meter": meter, "starts": starts, "summaries": summaries})


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
    gained, parameters = gained_by(definition)
    statement = text(_STORE.format(gained=gained, unfit=is_unfit(definition)))
    rows = session.execute(
        statement,
        {
            **work_of(work),
            **parameters,
            "meter": meter,
            "since": since,
            "retired": retired_at,
            "series_limit": definition.series_limit,
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
    return Gained(
        {row.id: (int(row.one), int(row.other)) for row in rows if row.what == "summary"},
        sum(skipped for skipped, _ in by_source.values()),
    )


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
    }


def has_looked_back(session: Session, meter: str) -> None:
    """Note that no period from before the meter is left to be counted."""
    session.execute(_LOOKED_BACK, {"meter": meter})
