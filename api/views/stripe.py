"""Stripe's meter events, as its clients send them and read the answer."""

from typing import Any

import msgspec
from flask import Blueprint, Response

from api.auth import caller, credential_of, requires
from api.foreign_errors import speak, stripe_form
from api.foreign_events import accept_events
from api.honoured import reads
from api.idempotency import answers_with_a_secret
from api.ingest.body import form_of, json_body_of
from api.ingest.foreign import elements_of, object_of, one_member
from api.ingest.native import key_of
from api.ingest.stripe import STRIPE, event_from_form
from api.json_provider import json_response
from api.state import state, this_request
from api.views.stripe_adjustments import cancel_meter_event, cancel_meter_event_v2
from usage_billing.access.principal import USAGE_WRITE
from usage_billing.access.service import open_stream
from usage_billing.access.stream_tokens import read_stream_token
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import Forbidden
from usage_billing.core.identifiers import kept_key
from usage_billing.db.session import read_only
from usage_billing.metering.recording import Recording


@requires(USAGE_WRITE)
@reads("json")
def create_meter_event() -> Response:
    """Take the meter event of a form."""
    kept = _accept(event_from_form(form_of(this_request())))
    created, used = int(kept.received_at.timestamp()), int(kept.occurred_at.timestamp())
    return json_response(_shown(kept) | {"object": "billing.meter_event", "created": created, "timestamp": used})


@requires(USAGE_WRITE)
@reads("json")
def create_meter_event_v2() -> Response:
    """Take the meter event of a JSON body."""
    kept = _accept(object_of(json_body_of(this_request())))
    created, used = instant_text(kept.received_at), instant_text(kept.occurred_at)
    return json_response(_shown(kept) | {"object": "v2.billing.meter_event", "created": created, "timestamp": used})


@requires(USAGE_WRITE)
@answers_with_a_secret
def create_session() -> Response:
    """Make a token for the stream, which holds for 15 minutes and stands for the caller's key."""
    here, now = state(), state().clock()
    if read_stream_token(credential_of(this_request())) is not None:
        raise Forbidden("a session is made with an API key", code="forbidden")
    with read_only(here.engine) as session:
        token = open_stream(session, caller(), secret=here.settings.require_secret(), now=now)
    return json_response(
        {
            "object": "v2.billing.meter_event_session",
            "id": f"mes_{token.nonce}",
            "authentication_token": token.text,
            "created": instant_text(now),
            "expires_at": instant_text(token.expires_at),
            "livemode": True,
        }
    )


@requires(USAGE_WRITE)
@reads("json")
def stream_meter_events() -> Response:
    """Take many meter events. One without an identifier has the header's key and its place as its key."""
    events = elements_of(one_member(this_request(), "events", batch=True), most=state().settings.max_batch)
    sent, kept = key_of(this_request())

    def by_place(index: int) -> str:
        # The longest keys have no room for the place: they go by how they are kept.
        return (kept_key(f"{sent}:{index}") or f"{kept}:{index}") if sent else ""

    accept_events(events, STRIPE, default_key=by_place)
    return json_response({})


def _accept(event: bytes) -> Recording:
    """The event's recording. Without an identifier its key is the header that the clients send again with a retry."""
    _, kept = key_of(this_request())
    return accept_events([event], STRIPE, default_key=lambda _: kept)[0]


def _shown(recording: Recording) -> dict[str, Any]:
    """Both versions' members of a meter event; of one that could not be read, an empty payload."""
    if recording.beside.unread:
        payload: dict[str, Any] = {}
    else:
        payload = msgspec.json.decode(recording.metadata, type=dict[str, msgspec.Raw])
        payload |= {"stripe_customer_id": recording.beside.whose, "value": recording.quantity}
    return {
        "event_name": recording.usage_type,
        "identifier": recording.key or str(recording.id),
        "livemode": True,
        "payload": payload,
    }


def _made(name: str, prefix: str) -> Blueprint:
    """The views below ``prefix``. Stripe's npm client takes a host and no path, so they also stand at the root."""
    made = Blueprint(name, __name__, url_prefix=prefix)
    made.add_url_rule("/v1/billing/meter_events", view_func=create_meter_event, methods=["POST"])
    made.add_url_rule("/v2/billing/meter_events", view_func=create_meter_event_v2, methods=["POST"])
    made.add_url_rule("/v2/billing/meter_event_session", view_func=create_session, methods=["POST"])
    made.add_url_rule("/v2/billing/meter_event_stream", view_func=stream_meter_events, methods=["POST"])
    for version, view in (("v1", cancel_meter_event), ("v2", cancel_meter_event_v2)):
        made.add_url_rule(f"/{version}/billing/meter_event_adjustments", view_func=view, methods=["POST"])
    speak(made, stripe_form, below=("/v1/billing", "/v2/billing"))
    return made


at_the_root, below_a_prefix = _made("stripe", ""), _made("stripe_below", "/stripe")
