"""Usage types as they are shown: a meter with its present definition, and how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named
from usage_billing.core.errors import Conflict
from usage_billing.meters.definition import Dimension, Level, stored_dimensions
from usage_billing.meters.models import MeterDefinition
from usage_billing.meters.progress import FoldState, fold_states
from usage_billing.meters.queries import definition_of, definitions_where, meters_by_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionView:
    """A version of a meter's definition."""

    version: int
    value: str | None
    where: str | None
    dimensions: tuple[Dimension, ...]
    series_limit: int | None
    level: Level | None
    effective_from: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterView(DefinitionView):
    """A meter by its latest definition."""

    since: datetime
    retired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTypeView:
    """A usage type; ``meter`` is None unless it is one."""

    usage_type: UsageType
    meter: MeterView | None


def usage_type_views(session: Session, usage_types: Sequence[UsageType]) -> list[UsageTypeView]:
    """These usage types, in order; the definitions of meters are read at once."""
    names = [one.id for one in usage_types if one.of is not None]
    if not names:
        return [UsageTypeView(usage_type=one, meter=None) for one in usage_types]
    meters = meters_by_id(session, names)
    latest: dict[str, MeterDefinition] = {}
    for row in session.scalars(definitions_where(usage_type_ids=names)):
        latest.setdefault(row.usage_type_id, row)
    found: list[UsageTypeView] = []
    for one in usage_types:
        meter = meters.get(one.id)
        view = None
        if meter is not None:
            terms = definition_view(latest[one.id])
            view = MeterView(
                **{name: getattr(terms, name) for name in DefinitionView.__slots__},
                since=meter.since,
                retired_at=meter.retired_at,
            )
        found.append(UsageTypeView(usage_type=one, meter=view))
    return found


def usage_type_view(session: Session, usage_type: UsageType) -> UsageTypeView:
    """One of them."""
    return usage_type_views(session, [usage_type])[0]


def fold_state(session: Session, usage_type_id: str) -> FoldState:
    """How far a meter is; raises NotFound, and Conflict for a usage type that is no meter."""
    get_named(session, UsageType, usage_type_id)
    for state in fold_states(session, meter=usage_type_id):
        return state
    raise Conflict(f"{usage_type_id} is no meter: it counts its own recordings", code="not_a_meter")


def definition_view(row: MeterDefinition) -> DefinitionView:
    """A definition as it is shown."""
    definition = definition_of(row)
    return DefinitionView(
        version=row.version,
        value=row.value,
        where=row.condition,
        dimensions=stored_dimensions(row.dimensions),
        series_limit=None if definition.is_set else row.series_limit,
        level=definition.level,
        effective_from=row.effective_from,
        created_at=row.created_at,
    )


def definition_views(session: Session, usage_type_id: str) -> list[DefinitionView]:
    """The definitions of a meter, the latest first; none of a usage type that is no meter. Raises NotFound."""
    get_named(session, UsageType, usage_type_id)
    return [definition_view(row) for row in session.scalars(definitions_where(usage_type_ids=[usage_type_id]))]
