"""Events in the OpenAPI document, as ``webhooks``, and the JSON schema of each type by itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask_smorest import Api  # type: ignore[import-untyped]

from api.schemas.output import output_of
from usage_billing.wire.event import CATALOGUE, EVENT
from usage_billing.wire.event_type import EventType

_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_COMPONENTS = "#/components/schemas/"
_DEFS = "#/$defs/"
_HEADERS = {
    "webhook-id": "The event's id. It is the same at every try.",
    "webhook-timestamp": "When this try was made, in whole seconds since 1970.",
    "webhook-signature": "One `v1,` and base64 for each secret that holds, with a blank between them.",
}


def register(api: Api) -> None:
    """Give the document the schemas of all events."""
    for noun in {described.data.name: described.data for described in CATALOGUE.values()}.values():
        api.spec.components.schema(noun.name, schema=output_of(noun))


def webhooks(components: Mapping[str, Any]) -> dict[str, Any]:
    """What the service sends, by type of event: the part ``webhooks`` of the document."""
    parameters = [
        {"in": "header", "name": name, "description": says, "required": True, "schema": {"type": "string"}}
        for name, says in _HEADERS.items()
    ]
    return {
        str(type_): {
            "post": {
                "summary": described.when,
                "operationId": str(type_),
                "parameters": parameters,
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _body_of(type_, components)}},
                },
                "responses": {
                    "2XX": {"description": "It was taken. Every other answer is a failure, and it is sent again."}
                },
                "security": [],
            }
        }
        for type_, described in CATALOGUE.items()
    }


def schema_of(type_: EventType, components: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of the body of one type, which stands by itself."""
    body = _body_of(type_, components)
    needed: dict[str, Any] = {}
    waiting = [*_names(body)]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = components[name]
            waiting += _names(components[name])
    head = {"$schema": _DRAFT, "title": str(type_), "description": CATALOGUE[type_].when}
    whole: dict[str, Any] = _inside({**head, **body, "$defs": {name: needed[name] for name in sorted(needed)}})
    return whole


def _body_of(type_: EventType, components: Mapping[str, Any]) -> dict[str, Any]:
    event = components[EVENT.name]
    data = {"$ref": _COMPONENTS + CATALOGUE[type_].data.name}
    properties = {**event["properties"], "type": {"type": "string", "const": str(type_)}, "data": data}
    return {"type": "object", "required": event["required"], "properties": properties}


def _names(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix(_COMPONENTS)
        for inner in part.values():
            yield from _names(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _names(inner)


def _inside(part: Any) -> Any:
    """With references to what the schema brings along."""
    if isinstance(part, dict):
        return {
            name: inner.replace(_COMPONENTS, _DEFS) if name == "$ref" and isinstance(inner, str) else _inside(inner)
            for name, inner in part.items()
        }
    return [_inside(inner) for inner in part] if isinstance(part, list) else part
