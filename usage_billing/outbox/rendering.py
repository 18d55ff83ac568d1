"""The body of an event: what is signed and sent, byte for byte. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from usage_billing.wire.event import EVENT
from usage_billing.wire.noun import show
from usage_billing.wire.told import MOST_BYTES

PREFIX = "evt_"


@dataclass(frozen=True, slots=True)
class NumberedEvent:
    """A fact that has become an event; ``sequence`` is None without a customer."""

    id: int
    public_id: UUID
    topic: str
    customer_id: str | None
    position: int
    sequence: int | None
    created_at: datetime
    payload: Mapping[str, Any]


def event_id(public_id: UUID) -> str:
    """How an event's id is written."""
    return f"{PREFIX}{public_id.hex}"


def read_event_id(text: str) -> UUID | None:
    """What ``event_id`` wrote; None for any other text."""
    digits = text.removeprefix(PREFIX)
    try:
        found = UUID(hex=digits)
    except ValueError:
        return None
    return found if text == event_id(found) else None


def render(event: NumberedEvent, version: str) -> bytes:
    """The body by ``version``, at most 20 KiB: of a larger one the lists are left empty."""
    shape = {
        "id": event_id(event.public_id),
        "type": event.topic,
        "timestamp": event.created_at,
        "version": version,
        "user_id": event.customer_id,
        "sequence": event.sequence,
        "data": event.payload,
    }
    body = msgspec.json.encode(show(EVENT, shape))
    if len(body) > MOST_BYTES:
        shape["data"] = {**_without_lists(event.payload), "abridged": True}
        body = msgspec.json.encode(show(EVENT, shape))
    return body


def _without_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_lists(inner) for name, inner in value.items()}
    return [] if isinstance(value, list) else value
