"""Events in queries."""

from typing import Any

from api.schemas.base import Field, wrong
from api.schemas.fields import Identifier
from api.schemas.paging import PageQuery
from usage_billing.wire.event_type import EventType

_TYPES = frozenset(EventType)


class EventTypeName(Field):
    """A type of events, or ``*`` for all; the flow looks whether it is known."""

    openapi = {"type": "string", "enum": ["*", *map(str, EventType)]}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text", "not_a_text")
        return value


class Types(Field):
    """Types of events, with commas between them."""

    openapi = {"type": "string", "maxLength": 2000, "examples": ["invoice.paid,invoice.finalized"]}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> list[str]:
        names = value.split(",")
        for name in names:
            if name not in _TYPES:
                raise wrong(f"there is no type of event {name[:64]!r}", "unknown_event_type")
        return list(names)


class EventsQuery(PageQuery):
    """Which events."""

    after = Identifier(load_default=None)
    types = Types(load_default=None)
    customer_id = Identifier(data_key="userId", load_default=None)
