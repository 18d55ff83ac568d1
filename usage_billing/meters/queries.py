"""Reads meters: their definitions, what is still to be counted into them, and what they have come to."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.db.rows import read_rows
from usage_billing.meters.cells import named_values
from usage_billing.meters.definition import Definition, Function, Level, Mode, Per
from usage_billing.meters.dimensions import stored_dimensions
from usage_billing.meters.models import Meter, MeterDefinition
from usage_billing.meters.windowing import Windowing, stored_windowing

EVER = datetime(1900, 1, 1, tzinfo=UTC)
"""Before any usage."""

ADDS_UP = """
    (t.of IS NULL OR t.aggregation IN ('sum', 'count') AND NOT EXISTS (
        SELECT FROM meter_definitions AS d WHERE d.usage_type_id = t.id AND d.windowing IS NOT NULL
    ))
"""
"""Whether what a usage type ``t`` comes to can be divided by time: it is recorded, or a sum or a count of it."""

_PENDING = """
    SELECT s.id AS source, m.usage_type_id AS meter, s.subscription_id AS subscription
    FROM meters AS m
    JOIN usage_types AS t ON t.id = m.usage_type_id
    JOIN usage_summaries AS s ON s.usage_type_id = coalesce(t.of, t.id) AND s.period_end > m.since
    LEFT JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = m.usage_type_id
    WHERE (CAST(:meter AS text) IS NULL OR m.usage_type_id = :meter)
"""
# Every recording marks its summary as to be rated, and billing, which clears the mark, folds first: what is not marked
# has nothing new.
_NEW = text(f"""
    {_PENDING}
        AND s.to_rate AND (s.events > coalesce(f.folded, 0) OR s.voids > coalesce(f.folded_voids, 0))
    LIMIT :size
""")
# Also what a meter has to look back on: billing is not to make final what lacks it.
_NEW_OF = text(f"""
    {_PENDING}
        AND (s.to_rate OR NOT m.looked_back)
        AND (s.events > coalesce(f.folded, 0) OR s.voids > coalesce(f.folded_voids, 0))
        AND s.subscription_id = ANY(CAST(:subscriptions AS text[]))
""")
_OLD = text(f"""
    {_PENDING}
        AND NOT m.looked_back AND s.events > coalesce(f.folded, 0)
    ORDER BY s.period_start DESC, s.id
    LIMIT :size
""")
_FOLDED_LATER = text("""
    SELECT 1
    FROM meter_folds AS f
    JOIN usage_summaries AS s ON s.id = f.source_summary_id
    WHERE f.usage_type_id = :meter AND s.period_start >= :since
    LIMIT 1
""")


class _Folds(Protocol):
    """What a row of ``meters`` says, however it was read."""

    usage_type_id: Any
    since: Any
    retired_at: Any
    looked_back: Any


class _Defines(Protocol):
    """What a row of ``meter_definitions`` says, however it was read."""

    function: Any
    value: Any
    condition: Any
    dimensions: Any
    series_limit: Any
    mode: Any
    per: Any
    carry: Any
    windowing: Any


class Pair(NamedTuple):
    """A summary of recordings, by its id, and a meter that has not counted all of it; and whose recordings they are."""

    source: int
    meter: str
    subscription: str


@dataclass(frozen=True, slots=True)
class ActiveMeter:
    """A usage type that is counted by time, with its definitions, the newest first, and from when each holds.

    ``of`` is the usage type whose recordings it counts, or None for one that counts its own.
    """

    usage_type_id: str
    of: str | None
    since: datetime
    retired_at: datetime | None
    looked_back: bool
    definitions: tuple[tuple[datetime, Definition], ...]

    @property
    def function(self) -> Function:
        """How values become one quantity; it is the same in every definition."""
        return self.definitions[0][1].function

    @property
    def level(self) -> Level | None:
        """How a level is made and counted, which no definition changes; None of every other function."""
        return self.definitions[0][1].level

    @property
    def windowing(self) -> Windowing | None:
        """Its windows, which no definition changes; None if it looks at billing periods whole."""
        return self.definitions[0][1].windowing

    @property
    def adds_up(self) -> bool:
        """Whether the values of parts, added up, are the value of the whole."""
        return self.definitions[0][1].adds_up

    @property
    def is_divided(self) -> bool:
        """Whether the segments of a billing period share its value, or that of a window, by their time."""
        return self.definitions[0][1].is_divided

    @property
    def has_cells(self) -> bool:
        """Whether a price of it, of whatever time, charges by dimension."""
        return any(definition.named for _, definition in self.definitions)

    def definition_of(self, period_start: datetime) -> Definition:
        """The definition for a period that begins at ``period_start``."""
        return next(found for since, found in self.definitions if since <= period_start)


def counts_itself(usage_type_id: str) -> ActiveMeter:
    """A usage type whose own quantities are added up by time; nothing of it is folded yet."""
    return ActiveMeter(usage_type_id, None, EVER, None, False, ((EVER, Definition(function=Function.SUM)),))


def active_meters(session: Session) -> dict[str, ActiveMeter]:
    """Every meter by its id."""
    return true_meters(folded_types(session))


def true_meters(folded: Mapping[str, ActiveMeter]) -> dict[str, ActiveMeter]:
    """Those of what is folded that count the recordings of another usage type."""
    return {name: one for name, one in folded.items() if one.of is not None}


def folded_types(session: Session, *, hold: bool = False) -> dict[str, ActiveMeter]:
    """What is folded, by its id: every meter, and usage types whose own recordings are kept by time.

    With ``hold`` none is defined anew or retired before the transaction ends.
    """
    asked = select(Meter, UsageType.of).join(UsageType, UsageType.id == Meter.usage_type_id)
    asked = asked.order_by(Meter.usage_type_id)
    meters = session.execute(asked.with_for_update(read=True, of=Meter) if hold else asked).all()
    if not meters:
        return {}
    named = named_values(session)
    definitions: dict[str, list[tuple[datetime, Definition]]] = {}
    for row in session.scalars(definitions_where()):
        definition = replace(definition_of(row), named=tuple(named.get(row.usage_type_id, ())))
        definitions.setdefault(row.usage_type_id, []).append((row.effective_from, definition))
    return {one.usage_type_id: active_meter(one, of, definitions.get(one.usage_type_id, ())) for one, of in meters}


def active_meter(meter: _Folds, of: str | None, definitions: Sequence[tuple[datetime, Definition]]) -> ActiveMeter:
    """A meter of the usage type ``of``, or if that is None a usage type that is kept by time."""
    known = tuple(definitions) or counts_itself(meter.usage_type_id).definitions
    return ActiveMeter(meter.usage_type_id, of, meter.since, meter.retired_at, meter.looked_back, known)


def definition_of(row: _Defines) -> Definition:
    """The definition that a row stores."""
    return Definition(
        function=Function(row.function),
        value=row.value,
        where=row.condition,
        dimensions=stored_dimensions(row.dimensions),
        series_limit=row.series_limit,
        level=Level(Mode(row.mode), Per(row.per), row.carry) if row.mode and row.per else None,
        windowing=None if row.windowing is None else stored_windowing(row.windowing),
    )


def definitions_where(*, usage_type_ids: Collection[str] | None = None) -> Select[MeterDefinition]:
    """The statement for the definitions of these meters, or of all, the newest first."""
    statement = select(MeterDefinition).order_by(MeterDefinition.usage_type_id, MeterDefinition.version.desc())
    return statement if usage_type_ids is None else statement.where(MeterDefinition.usage_type_id.in_(usage_type_ids))


def new_to_fold(session: Session, *, size: int, meter: str | None = None) -> list[Pair]:
    """Up to ``size`` pairs, whichever are found first."""
    return _pairs(session, _NEW, {"size": size, "meter": meter})


def new_to_fold_of(session: Session, subscription_ids: Collection[str]) -> list[Pair]:
    """All such pairs of these subscriptions."""
    return _pairs(session, _NEW_OF, {"subscriptions": list(subscription_ids), "meter": None})


def old_to_fold(session: Session, meter: str, *, size: int) -> list[Pair]:
    """Up to ``size`` pairs of a meter that has not looked back yet, the newest periods first."""
    return _pairs(session, _OLD, {"size": size, "meter": meter})


def is_folded_from(session: Session, meter: str, since: datetime) -> bool:
    """Whether anything of a period that begins at ``since`` or later is counted into the meter already."""
    return session.execute(_FOLDED_LATER, {"meter": meter, "since": since}).first() is not None


def lock_meter(session: Session, usage_type_id: str) -> Meter | None:
    """The meter, locked so that nothing is counted into it until the transaction ends; None if there is none."""
    return session.scalars(select(Meter).where(Meter.usage_type_id == usage_type_id).with_for_update()).first()


def _pairs(session: Session, statement: object, asked: dict[str, object]) -> list[Pair]:
    rows = session.execute(statement, asked)  # type: ignore[call-overload]
    return sorted(read_rows(rows, Pair))


def has_meters(session: Session) -> bool:
    """Whether there is anything to fold into."""
    return session.scalars(select(Meter.usage_type_id).limit(1)).first() is not None


def meters_by_id(session: Session, usage_type_ids: Collection[str]) -> dict[str, Meter]:
    """Those of these meters that are there, by id."""
    return {
        one.usage_type_id: one for one in session.scalars(select(Meter).where(Meter.usage_type_id.in_(usage_type_ids)))
    }
