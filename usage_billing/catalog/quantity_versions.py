"""Reads and stores how usage types make the quantities of their recordings, version by version."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import QuantityDefinition
from usage_billing.catalog.quantities import QuantityVersion


def add_quantity_definition(
    session: Session,
    usage_type_id: str,
    value: str | None,
    *,
    version: int,
    effective_from: datetime,
    made_at: datetime,
) -> QuantityDefinition:
    """Store a version of how a usage type makes quantities; the caller has locked out the writers of usage."""
    added = QuantityDefinition(
        usage_type_id=usage_type_id, version=version, value=value, effective_from=effective_from, made_at=made_at
    )
    session.add(added)
    session.flush()
    return added


def quantity_definitions_where(*, usage_type_ids: Iterable[str]) -> Select[QuantityDefinition]:
    """The statement for how these usage types make quantities, the latest version of each first."""
    return (
        select(QuantityDefinition)
        .where(QuantityDefinition.usage_type_id.in_(list(usage_type_ids)))
        .order_by(QuantityDefinition.usage_type_id, QuantityDefinition.version.desc())
    )


def quantities_of(session: Session, usage_type_ids: Iterable[str]) -> dict[str, list[QuantityVersion]]:
    """How these usage types make quantities, by id, the latest version first; one that never did is absent."""
    found: dict[str, list[QuantityVersion]] = {}
    for row in session.scalars(quantity_definitions_where(usage_type_ids=usage_type_ids)):
        found.setdefault(row.usage_type_id, []).append(QuantityVersion(row.effective_from, row.value))
    return found


def types_that_make_quantities(session: Session) -> frozenset[str]:
    """The ids of all usage types that make, or once made, quantities from metadata."""
    return frozenset(session.scalars(select(QuantityDefinition.usage_type_id).distinct()))
