"""Writes meters: definitions, and what folds count."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.meters.definition import Definition
from usage_billing.meters.models import Meter, MeterDefinition
from usage_billing.meters.queries import EVER, Pair

BEFORE_ALL_PERIODS = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""From when the first definition of a meter holds."""

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
        mode=None if definition.level is None else definition.level.mode,
        per=None if definition.level is None else definition.level.per,
        carry=definition.level is not None and definition.level.carry,
        windowing=None if definition.windowing is None else definition.windowing.fields(),
        effective_from=effective_from,
    )
    session.add(added)
    session.flush()
    return added


def claim_folds(session: Session, pairs: Sequence[Pair]) -> None:
    """Become the only transaction that counts these summaries into these meters, until it ends.

    The lock has a statement of its own: one that waited and then read would see the books as they were before.
    """
    asked = {"sources": [pair.source for pair in pairs], "meters": [pair.meter for pair in pairs]}
    session.execute(_CLAIM, asked)
    session.execute(_LOCK, asked).all()


def place_fold(session: Session, source: int, meter: str, places: Sequence[tuple[datetime, int]]) -> None:
    """Keep into which summaries a claimed summary is counted."""
    starts, summaries = [start for start, _ in places], [summary for _, summary in places]
    session.execute(_PLACE, {"source": source, "meter": meter, "starts": starts, "summaries": summaries})


def has_looked_back(session: Session, meter: str) -> None:
    """Note that no period from before the meter is left to be counted."""
    session.execute(_LOOKED_BACK, {"meter": meter})
