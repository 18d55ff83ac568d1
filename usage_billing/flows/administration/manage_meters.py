"""Creates meters, defines them anew, retires them; with an audit entry for each change."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.service import OF_EVERY_USAGE_TYPE, NewUsageType, add_usage_type
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.clock import database_now
from usage_billing.flows.administration.check_cells import check_dimensions_kept
from usage_billing.flows.administration.manage_catalog import change_usage_type
from usage_billing.flows.administration.manage_quantities import QuantityChange, create_plain, define_quantity
from usage_billing.meters.asked import MeterChanges, NewMeter
from usage_billing.meters.models import Meter, MeterDefinition
from usage_billing.meters.queries import definition_of, definitions_where, is_folded_from, lock_meter
from usage_billing.meters.service import add_definition, add_meter


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTypeChanges:
    """What is to change of a usage type; None stays as it is.

    ``definition`` is the next one of a meter, ``quantity`` the next way to make quantities of one that is none.
    """

    unit_name: str | None = None
    tax_category: str | None = None
    definition: MeterChanges | None = None
    quantity: QuantityChange | None = None


def create(session: Session, new: NewUsageType | NewMeter, *, actor: str, now: datetime) -> UsageType:
    """Store a usage type or a meter; raises Conflict when the id is taken, InvalidInput for what neither can be."""
    if isinstance(new, NewMeter):
        return create_meter(session, new, actor=actor, now=now)
    return create_plain(session, new, actor=actor, now=now)


def change(session: Session, usage_type_id: str, changes: UsageTypeChanges, *, actor: str, now: datetime) -> UsageType:
    """Rename the unit, tax it in another way, define anew what is counted, or all of it.

    Raises NotFound, and what ``change_meter`` and ``define_quantity`` raise.
    """
    found = get_named(session, UsageType, usage_type_id)
    if changes.definition is not None:
        change_meter(session, usage_type_id, changes.definition, actor=actor, now=now)
    if changes.quantity is not None:
        define_quantity(session, usage_type_id, changes.quantity, actor=actor, now=now)
    unit_name, tax_category = changes.unit_name, changes.tax_category
    if unit_name is not None or tax_category is not None:
        found = change_usage_type(
            session, usage_type_id, unit_name=unit_name, tax_category=tax_category, actor=actor, now=now
        )
    return found


def create_meter(session: Session, new: NewMeter, *, actor: str, now: datetime) -> UsageType:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for what a meter cannot be."""
    definition = new.definition()
    counted = session.get(UsageType, new.of)
    if counted is None:
        raise InvalidInput.field("/of", f"there is no usage type {new.of}", code="unknown_usage_type")
    if counted.of is not None:
        message = f"{new.of} is a meter itself: name the usage type that it counts, {counted.of}"
        raise InvalidInput.field("/of", message, code="contradiction")
    shared = {name: getattr(new, name) for name in OF_EVERY_USAGE_TYPE}
    made = add_usage_type(session, NewUsageType(**shared))
    add_meter(session, new.id, since=new.since or now, definition=definition)
    note(session, actor=actor, action="meter.created", subject=f"usage-type:{new.id}", at=now, of=new.of)
    return made


def change_meter(
    session: Session, usage_type_id: str, changes: MeterChanges, *, actor: str, now: datetime
) -> MeterDefinition:
    """Store the next definition of a meter; what was counted stays as it is.

    It holds for periods that begin from ``effective_from`` on. Raises NotFound, InvalidInput, and Conflict for a
    meter that is retired, where a period that it would hold for is counted already, or where it lacks a dimension that
    a price names.
    """
    _get_meter(session, usage_type_id)
    last = session.scalars(definitions_where(usage_type_ids=[usage_type_id]).limit(1)).one()
    since = changes.effective_from or now
    if since < now:
        raise InvalidInput.field("/effectiveFrom", "must not be in the past", code="out_of_range")
    if since < last.effective_from:
        message = f"must not be before that of version {last.version}"
        raise InvalidInput.field("/effectiveFrom", message, code="out_of_range")
    definition = changes.applied_to(definition_of(last))
    check_dimensions_kept(session, usage_type_id, definition, since=since)
    if is_folded_from(session, usage_type_id, since):
        message = "usage of a period that begins later is counted already; name a later moment"
        raise Conflict(message, code="usage_later")
    added = add_definition(session, usage_type_id, definition, version=last.version + 1, effective_from=since)
    subject = f"usage-type:{usage_type_id}"
    note(session, actor=actor, action="meter.defined", subject=subject, at=now, version=added.version)
    return added


def retire_meter(session: Session, usage_type_id: str, *, actor: str, now: datetime) -> Meter:
    """Let a meter count nothing that is recorded from now on; what it has counted, and charged, stays.

    Raises NotFound, and Conflict for one that is retired already.
    """
    meter = _get_meter(session, usage_type_id)
    meter.retired_at = database_now(session)
    session.flush()
    note(session, actor=actor, action="meter.retired", subject=f"usage-type:{usage_type_id}", at=now)
    return meter


def _get_meter(session: Session, usage_type_id: str) -> Meter:
    usage_type = get_named(session, UsageType, usage_type_id)
    meter = lock_meter(session, usage_type_id)
    if meter is None or usage_type.of is None:
        raise Conflict(f"{usage_type_id} is no meter: it counts its own recordings", code="not_a_meter")
    if meter.retired_at is not None:
        raise Conflict(f"the meter {usage_type_id} is retired", code="meter_retired")
    return meter
