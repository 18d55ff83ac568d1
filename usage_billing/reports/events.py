"""Events as they are shown: by the body that was made of each."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from usage_billing.core.errors import InvalidInput, NotFound
from usage_billing.outbox.models import OutboxMessage
from usage_billing.outbox.queries import bodies_of, get_event, position_of
from usage_billing.outbox.rendering import event_id, read_event_id


def events_shown(session: Session, events: Sequence[OutboxMessage]) -> list[dict[str, Any]]:
    """These events, which are kept, with what their bodies say."""
    bodies = bodies_of(session, [event.id for event in events])
    return [_shown(event, bodies[event.id]) for event in events if event.id in bodies]


def event_shown(session: Session, id: str) -> dict[str, Any]:
    """An event by its id; raises NotFound, also for one whose body is not kept any more."""
    event = get_event(session, id)
    bodies = bodies_of(session, [event.id])
    if not bodies:
        raise NotFound(f"the event {id} is not kept any more")
    return _shown(event, bodies[event.id])


def after_event(session: Session, id: str | None, *, pointer: str) -> int:
    """The position of the event after which a list begins; 0 without one. Raises InvalidInput for an unknown one."""
    if id is None:
        return 0
    public_id = read_event_id(id)
    position = None if public_id is None else position_of(session, public_id)
    if position is None:
        raise InvalidInput.field(pointer, f"there is no event {id[:100]}", code="unknown_event")
    return position


def _shown(event: OutboxMessage, body: bytes) -> dict[str, Any]:
    return {
        "id": event_id(event.public_id) if event.public_id else "",
        "type": event.topic,
        "timestamp": event.created_at,
        "user_id": event.customer_id,
        "sequence": event.sequence,
        **{name: value for name, value in msgspec.json.decode(body).items() if name in {"version", "data"}},
    }
