"""Types of events, and events in queries."""

import re
from typing import Any

import marshmallow as ma

from api.schemas.base import NOT_NULL, REQUIRED, Field, wrong
from api.schemas.fields import Identifier
from api.schemas.paging import PageQuery
from usage_billing.wire.event_type import EVERY, EventType

_TYPES = frozenset(EventType)
_NAME = "|".join(map(re.escape, EventType))


class EventTypeName(Field):
    """A type of events; the flow looks whether it is known."""

    def __init__(self, *, every: bool, **options: Any) -> None:
        """With ``every``, ``*`` stands for all types."""
        super().__init__(**options)
        self.openapi = {"type": "string", "enum": [EVERY] * every + list(map(str, EventType))}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise wrong("must be a text", "not_a_text")
        return value


def some_types(**options: Any) -> ma.fields.Field[Any]:
    """A list of types. The flow refuses an empty one, and a type that is named twice."""
    return _type_list(every=False, described={}, options=options)


def types_or_every(**options: Any) -> ma.fields.Field[Any]:
    """A list of types, or ``["*"]`` for all. The flow refuses what else a list can be."""
    either = [{"items": {"const": EVERY}}, {"items": {"enum": list(map(str, EventType))}}]
    return _type_list(every=True, described={"anyOf": either}, options=options)


def _type_list(*, every: bool, described: dict[str, Any], options: dict[str, Any]) -> ma.fields.Field[Any]:
    needed: dict[str, Any] = {"required": REQUIRED, "null": NOT_NULL}
    shape = {"minItems": 1, "uniqueItems": True, **described}
    return ma.fields.List(EventTypeName(every=every), error_messages=needed, metadata=shape, **options)


class Types(Field):
    """Types of events, with commas between them."""

    openapi = {"type": "string", "pattern": f"^({_NAME})(,({_NAME}))*$", "examples": ["invoice.paid,invoice.finalized"]}

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
