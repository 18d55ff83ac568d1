"""Usage types as they are shown: a meter with its present definition, and how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.models import QuantityDefinition, UsageType
from usage_billing.catalog.quantity_versions import quantity_definitions_where
from usage_billing.catalog.queries import get_named
from usage_billing.core.errors import Conflict
from usage_billing.meters.definition import Level
from usage_billing.meters.dimensions import Dimension, stored_dimensions
from usage_billing.meters.models import Meter, MeterDefinition
from usage_billing.meters.progress import FoldState, fold_states
from usage_billing.meters.queries import definition_of, definitions_where, meters_by_id
from usage_billing.meters.windowing import Windowing


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionView:
    """A version of a meter's definition, or of how another usage type makes quantities; then it has no dimensions."""

    version: int
    value: str | None = None
    where: str | None = None
    dimensions: tuple[Dimension, ...] | None = None
    series_limit: int | None = None
    level: Level | None = None
    windowing: Windowing | None = None
    effective_from: datetime
    created_at: datetime
    quantity_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTypeView:
    """A usage type, its latest definition (None: its senders give the quantity), and what else a meter has."""

    usage_type: UsageType
    definition: DefinitionView | None
    meter: Meter | None


def usage_type_views(session: Session, usage_types: Sequence[UsageType]) -> list[UsageTypeView]:
    """These usage types, in order; their definitions are read at once."""
    names = [one.id for one in usage_types if one.of is not None]
    meters = meters_by_id(session, names) if names else {}
    latest: dict[str, DefinitionView] = {}
    for defined in session.scalars(definitions_where(usage_type_ids=names)) if names else ():
        latest.setdefault(defined.usage_type_id, definition_view(defined))
    plain = [one.id for one in usage_types if one.of is None]
    for made in session.scalars(quantity_definitions_where(usage_type_ids=plain)) if plain else ():
        latest.setdefault(made.usage_type_id, quantity_view(made))
    return [
        UsageTypeView(usage_type=one, definition=latest.get(one.id), meter=meters.get(one.id)) for one in usage_types
    ]


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
        windowing=definition.windowing,
        effective_from=row.effective_from,
        created_at=row.created_at,
    )


def quantity_view(row: QuantityDefinition) -> DefinitionView:
    """How a usage type makes quantities, as it is shown."""
    return DefinitionView(
        version=row.version, quantity_from=row.value, effective_from=row.effective_from, created_at=row.made_at
    )


def definition_views(session: Session, usage_type_id: str) -> list[DefinitionView]:
    """The definitions of a usage type, the latest first; none if its senders give the quantity. Raises NotFound."""
    found, names = get_named(session, UsageType, usage_type_id), [usage_type_id]
    if found.of is None:
        return [quantity_view(row) for row in session.scalars(quantity_definitions_where(usage_type_ids=names))]
    return [definition_view(row) for row in session.scalars(definitions_where(usage_type_ids=names))]
