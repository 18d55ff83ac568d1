"""Events: what happened, in an order that misses none."""

from typing import Any

from api.arguments import Blueprint
from api.auth import requires
from api.pagination import BY_NUMBER, listed
from api.schemas.events import EventsQuery
from api.state import state
from usage_billing.access.principal import WEBHOOKS_MANAGE
from usage_billing.db.session import read_only
from usage_billing.outbox.models import OutboxMessage
from usage_billing.outbox.queries import events_where
from usage_billing.reports.events import after_event, event_shown, events_shown
from usage_billing.wire.event import EVENT
from usage_billing.wire.noun import page_of

blp = Blueprint("events", __name__, url_prefix="/api/events", description="What happened, for other systems.")


@blp.route("", methods=["GET"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(EventsQuery, location="query")
@blp.response(200, page_of(EVENT))
def list_events(query: dict[str, Any]) -> dict[str, Any]:
    """List events of the last 90 days, the oldest first; `after` is the id of the last one that the caller has.

    An event never appears before one that the caller has seen: asking again with `after` misses none.
    """
    with read_only(state().engine) as session:
        after = after_event(session, query["after"], pointer="?after")
        found = events_where(after=after, types=query["types"], customer_id=query["customer_id"])
        return listed(
            session,
            found,
            query,
            noun=EVENT,
            by=[OutboxMessage.position],
            kind=BY_NUMBER,
            viewed=lambda rows: events_shown(session, rows),
        )


@blp.route("/<identifier:event_id>", methods=["GET"])
@requires(WEBHOOKS_MANAGE)
@blp.response(200, EVENT)
def show_event(event_id: str) -> dict[str, Any]:
    """Show an event, which is kept for 90 days."""
    with read_only(state().engine) as session:
        return event_shown(session, event_id)
