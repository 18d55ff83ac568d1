"""CloudEvents, in our own answer."""

from typing import Any

from flask import Response

from api.arguments import Blueprint
from api.auth import requires
from api.foreign_events import accept_events
from api.honoured import reads
from api.ingest.cloud_events import CLOUD_EVENTS, events_of
from api.ingest.routes import CLOUD_EVENTS as ROUTE
from api.json_provider import json_response
from api.state import state, this_request
from usage_billing.access.principal import USAGE_WRITE
from usage_billing.wire.recording import ACCEPTED_BATCH

blp = Blueprint("cloud_events", __name__, description="Record the events of other programs.")

# Any object is accepted, and anything in a batch: what is no event is to be seen in quarantine.
_CONTENT: dict[str, Any] = {
    "application/cloudevents+json": {"schema": {"type": "object"}},
    "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {}}},
    "application/json": {"schema": {"type": ["object", "array"], "items": {}}},
}
_BODY = {"required": True, "content": _CONTENT}


@blp.route(ROUTE, methods=["POST"])
@requires(USAGE_WRITE)
@reads("json")
@blp.doc(requestBody=_BODY)
@blp.response(202, ACCEPTED_BATCH)
def record_cloudevents() -> Response:
    """Record CloudEvents 1.0: one, a batch (`application/cloudevents-batch+json`), or one with attributes as headers.

    `subject` is a subscription, or a customer whose subscription is found; `type` the usage type; `data` the metadata;
    `source` with `id` the idempotency key. The quantity is what the usage type makes of the metadata, else 1. An event
    that cannot be read is accepted too, and goes to quarantine.
    """
    kept = accept_events(events_of(this_request(), most=state().settings.max_batch), CLOUD_EVENTS)
    return json_response({"accepted": len(kept), "ids": [one.id for one in kept]}, status=202)
