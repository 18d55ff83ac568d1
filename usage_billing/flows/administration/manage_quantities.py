"""Lets a usage type make the quantity of its recordings from their metadata, or its senders give it again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog.models import QuantityDefinition, UsageType
from usage_billing.catalog.quantities import check_expression
from usage_billing.catalog.quantity_versions import add_quantity_definition, quantity_definitions_where
from usage_billing.catalog.queries import get_named
from usage_billing.catalog.service import BEFORE_ALL_PERIODS, NewUsageType
from usage_billing.core.errors import InvalidInput
from usage_billing.db.locks import lock_shards
from usage_billing.flows.administration.manage_catalog import create_usage_type
from usage_billing.metering.recording import SHARDS


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityChange:
    """What makes the quantity of recordings that occur at ``effective_from`` or later; None: their senders give it.

    ``effective_from`` None is from now on; it may be in the past, for what is recorded later or replayed.
    """

    value: str | None
    effective_from: datetime | None = None


def create_plain(session: Session, new: NewUsageType, *, actor: str, now: datetime) -> UsageType:
    """Store a usage type that is no meter; raises what ``create_usage_type`` raises, InvalidInput for an expression."""
    if new.quantity_from is None:
        return create_usage_type(session, new, actor=actor, now=now)
    check_expression(new.quantity_from)
    made_at = lock_shards(session, range(SHARDS))
    made = create_usage_type(session, new, actor=actor, now=now)
    add_quantity_definition(
        session, new.id, new.quantity_from, version=1, effective_from=BEFORE_ALL_PERIODS, made_at=made_at
    )
    return made


def define_quantity(
    session: Session, usage_type_id: str, change: QuantityChange, *, actor: str, now: datetime
) -> QuantityDefinition:
    """Store the next way in which a usage type makes quantities; what is recorded stays as it is.

    It waits until no worker records, so that each recording is made by what was defined before it. Raises NotFound,
    and InvalidInput for a meter, and for an expression or a moment that is wrong.
    """
    usage_type = get_named(session, UsageType, usage_type_id, lock=True)
    if usage_type.of is not None:
        message = "is of a usage type that is recorded; a meter has value"
        raise InvalidInput.field("/quantityFrom", message, code="contradiction")
    if change.value is not None:
        check_expression(change.value)
    last = session.scalars(quantity_definitions_where(usage_type_ids=[usage_type_id]).limit(1)).first()
    since = change.effective_from or now
    if last is not None and since < last.effective_from:
        message = f"must not be before that of version {last.version}"
        raise InvalidInput.field("/effectiveFrom", message, code="out_of_range")
    made_at = lock_shards(session, range(SHARDS))
    version = 1 if last is None else last.version + 1
    added = add_quantity_definition(
        session, usage_type_id, change.value, version=version, effective_from=since, made_at=made_at
    )
    subject = f"usage-type:{usage_type_id}"
    note(session, actor=actor, action="usage_type.quantity_defined", subject=subject, at=now, version=version)
    return added
