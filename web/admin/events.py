"""Events at the desk: what happened, what others were told of it, and telling them again."""

import json
from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from api.pagination import BY_NUMBER
from usage_billing.flows.delivering.send_again import resend_event
from usage_billing.outbox.models import OutboxMessage
from usage_billing.outbox.queries import events_where, get_event
from usage_billing.reports.events import event_shown, events_shown
from usage_billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from usage_billing.webhooks.queries import deliveries_where, endpoints_where
from usage_billing.webhooks.states import EndpointStatus
from usage_billing.wire.event import CATALOGUE, EVENT
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show
from web.admin.blueprint import address, blp
from web.admin.desk import Desk, Operator
from web.admin.endpoints import with_tries
from web.admin.forms import Box, Done, Form, change
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import listed

_TYPES = (("", "all"), *((str(one), str(one)) for one in EventType))


@blp.get("/events")
@looking
def list_events(desk: Desk) -> Response:
    """Events that are kept, the newest first; ``type`` and ``customer`` choose."""
    query = query_of("type", "customer", "after")
    types = [query["type"]] if "type" in query else None
    found = listed(
        desk,
        events_where(types=types, customer_id=query.get("customer")),
        query,
        noun=EVENT,
        by=[OutboxMessage.position],
        kind=BY_NUMBER,
        path=["events"],
        newest_first=True,
        viewed=lambda rows: events_shown(desk.session, rows),
    )
    return framed(desk, "events", "events", events=found.rows, following=found.following, query=query, types=_TYPES)


@blp.get("/events/<identifier:event_id>")
@looking
def show_event(desk: Desk, event_id: str) -> Response:
    """One event: what it says, and what became of it at each endpoint."""
    query_of()
    event = show(EVENT, event_shown(desk.session, event_id))
    statement = deliveries_where(event_id=get_event(desk.session, event_id).id).order_by(WebhookDelivery.endpoint_id)
    return framed(
        desk,
        "events",
        "event",
        event=event,
        when=CATALOGUE[EventType(event["type"])].when,
        body=json.dumps(event, indent=2, ensure_ascii=False),
        deliveries=with_tries(desk, desk.session.scalars(statement).all()),
        history=last_of(desk, [f"event:{event_id}"]),
    )


def _resent(session: Session, event_id: str) -> Form:
    event = event_shown(session, event_id)
    active = session.scalars(endpoints_where(status=EndpointStatus.ACTIVE).order_by(WebhookEndpoint.id))
    choices = [("", "all that want it"), *((one.id, one.id) for one in active)]
    return Form(
        title="Send an event again",
        says=f"{event['type']}, {event_id}: under its id, by which a receiver sees that it had it.",
        verb="Send it again",
        current="events",
        back=address("events", event_id),
        boxes=[Box(name="endpointId", label="To", type="choice", choices=choices, required=False)],
    )


def _resend(session: Session, operator: Operator, values: dict[str, Any], event_id: str) -> Done:
    to = values["endpointId"]
    resend_event(session, event_id, endpoint_id=to, actor=operator.actor, now=operator.now)
    return Done(address("events", event_id))


change("/events/<identifier:event_id>/resend", "resend_event", _resent, _resend)
