"""Lago's events, as its clients send them and read the answer."""

from typing import Any

import msgspec
from flask import Blueprint, Response

from api.auth import caller, requires
from api.errors import Unreadable
from api.foreign_errors import lago_form, speak
from api.foreign_events import accept_events, recorded_under
from api.honoured import reads
from api.ingest.foreign import elements_of, one_member
from api.ingest.lago import AMOUNT, LAGO
from api.ingest.pieces import pieces_of_object
from api.json_provider import json_response
from api.state import state, this_request
from usage_billing.access.principal import USAGE_READ, USAGE_WRITE
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import InvalidInput, NotFound
from usage_billing.core.identifiers import kept_key
from usage_billing.db.session import read_only
from usage_billing.metering.recording import Recording
from usage_billing.reports.by_key import Keyed

blp = Blueprint("lago", __name__, url_prefix="/lago")


@blp.post("/api/v1/events")
@requires(USAGE_WRITE)
@reads("json")
def create_event() -> Response:
    """Take one event; the answer tells it as it was understood, and nothing of one that could not be read."""
    event = one_member(this_request(), "event")
    if _names_an_amount(event):
        raise InvalidInput.field(f"/event/{AMOUNT}", "is not taken: the price is the plan's", code="not_supported")
    kept = accept_events([event], LAGO)[0]
    return json_response({} if kept.beside.unread else {"event": _shown(kept)})


@blp.post("/api/v1/events/batch")
@requires(USAGE_WRITE)
@reads("json")
def create_events() -> Response:
    """Take many events; those that could not be read are not told."""
    sent = one_member(this_request(), "events", batch=True)
    kept = accept_events(elements_of(sent, most=state().settings.max_batch), LAGO)
    return json_response({"events": [_shown(one) for one in kept if not one.beside.unread]})


@blp.get("/api/v1/events/<path:transaction_id>")
@requires(USAGE_WRITE, USAGE_READ)
def find_event(transaction_id: str) -> Response:
    """The recorded event of a transaction; raises NotFound while it waits.

    A key that may not read usage finds what came with it alone.
    """
    key = kept_key(transaction_id)
    with read_only(state().engine) as session:
        found = recorded_under(session, key, seeing_all=caller().may(USAGE_READ)) if key else []
    if len(found) != 1:
        raise NotFound("there is no recorded event of this transaction, or several", code="event_not_found")
    return json_response({"event": _recorded(found[0], transaction_id)})


def _names_an_amount(event: bytes) -> bool:
    try:
        return pieces_of_object(event).get(AMOUNT, b"null") != b"null"
    except Unreadable:
        return False


def _shown(accepted: Recording) -> dict[str, Any]:
    properties, subscription = msgspec.Raw(accepted.metadata.encode()), accepted.beside.whose
    return _event(accepted, accepted.key) | {"external_subscription_id": subscription, "properties": properties}


def _recorded(found: Keyed, transaction_id: str) -> dict[str, Any]:
    subscription = found.subscription_id
    return _event(found, transaction_id) | {"external_subscription_id": subscription, "properties": found.metadata}


def _event(of: Recording | Keyed, transaction_id: str) -> dict[str, Any]:
    return {
        "lago_id": of.id,
        "transaction_id": transaction_id,
        "lago_customer_id": None,
        "lago_subscription_id": None,
        "code": of.usage_type,
        "timestamp": instant_text(of.occurred_at),
        "precise_total_amount_cents": None,
        "created_at": instant_text(of.received_at),
    }


speak(blp, lago_form, below=("",))
