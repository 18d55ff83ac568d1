"""Lago's events, as its clients send them and read the answer."""

from typing import Any

import msgspec
from flask import Blueprint, Response

from api.auth import requires
from api.foreign_errors import lago_form, speak
from api.foreign_events import accept_events
from api.honoured import reads
from api.ingest.body import json_body_of
from api.ingest.foreign import elements_of, is_given, members_of
from api.ingest.lago import AMOUNT, LAGO
from api.json_provider import json_response
from api.state import this_request
from usage_billing.access.principal import USAGE_WRITE
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import InvalidInput
from usage_billing.metering.recording import Recording

blp = Blueprint("lago", __name__, url_prefix="/lago")


@blp.post("/api/v1/events")
@requires(USAGE_WRITE)
@reads("json")
def create_event() -> Response:
    """Take one event; the answer tells it as it was understood, and nothing of one that could not be read."""
    event = _member("event")
    if event[:1] == b"{" and is_given(members_of(event), AMOUNT):
        raise InvalidInput.field(f"/event/{AMOUNT}", "is not taken: the price is the plan's", code="not_supported")
    kept = accept_events([event], LAGO)[0]
    return json_response({} if kept.beside.unread else {"event": _shown(kept)})


@blp.post("/api/v1/events/batch")
@requires(USAGE_WRITE)
@reads("json")
def create_events() -> Response:
    """Take many events; those that could not be read are not told."""
    kept = accept_events(elements_of(_member("events", batch=True)), LAGO)
    return json_response({"events": [_shown(one) for one in kept if not one.beside.unread]})


def _member(name: str, *, batch: bool = False) -> bytes:
    """The one member of the body, as its JSON text; raises InvalidInput for a body with others, or without it."""
    found = members_of(json_body_of(this_request(), batch=batch))
    strays = [other for other in found if other != name]
    if strays:
        raise InvalidInput.field(f"/{strays[0][:64]}", "is not a field of this request", code="unknown")
    if not is_given(found, name):
        raise InvalidInput.field(f"/{name}", "is required", code="required")
    return bytes(found[name])


def _shown(recording: Recording) -> dict[str, Any]:
    return {
        "lago_id": recording.id,
        "transaction_id": recording.key,
        "lago_customer_id": None,
        "lago_subscription_id": None,
        "external_subscription_id": recording.beside.whose,
        "code": recording.usage_type,
        "timestamp": instant_text(recording.occurred_at),
        "precise_total_amount_cents": None,
        "properties": msgspec.Raw(recording.metadata.encode()),
        "created_at": instant_text(recording.received_at),
    }


speak(blp, lago_form, below=("",))
