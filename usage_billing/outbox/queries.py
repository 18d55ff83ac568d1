"""Reads events: what was told, in the order in which the relay numbered it."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.outbox.models import EventBody, OutboxMessage
from usage_billing.outbox.rendering import read_event_id
from usage_billing.wire.event import VERSION


def events_where(
    *, after: int = 0, types: Collection[str] | None = None, customer_id: str | None = None
) -> Select[OutboxMessage]:
    """The events after a position that are kept, of some types, about a customer; by ``position``."""
    kept = select(EventBody.event_id).where(EventBody.event_id == OutboxMessage.id, EventBody.version == VERSION)
    statement = select(OutboxMessage).where(OutboxMessage.position > after, kept.exists())
    if types is not None:
        statement = statement.where(OutboxMessage.topic.in_(types))
    if customer_id is not None:
        statement = statement.where(OutboxMessage.customer_id == customer_id)
    return statement


def get_event(session: Session, event_id: str) -> OutboxMessage:
    """An event by its id ``evt_...``; raises NotFound, also for a fact that the relay has not numbered yet."""
    public_id = read_event_id(event_id)
    found = None
    if public_id is not None:
        statement = select(OutboxMessage).where(OutboxMessage.public_id == public_id)
        found = session.scalars(statement.where(OutboxMessage.position.is_not(None))).first()
    if found is None:
        raise NotFound(f"there is no event {event_id}")
    return found


def bodies_of(session: Session, ids: Collection[int], version: str = VERSION) -> dict[int, bytes]:
    """The bodies of these events by a version, those that are kept."""
    statement = select(EventBody).where(EventBody.event_id.in_(ids), EventBody.version == version)
    return {one.event_id: one.body for one in session.scalars(statement)}


def position_of(session: Session, public_id: UUID) -> int | None:
    """The position of an event; None where there is no such event."""
    return session.scalar(select(OutboxMessage.position).where(OutboxMessage.public_id == public_id))
