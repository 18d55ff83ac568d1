"""What was sent to endpoints, and sending it again."""

from typing import Any
from uuid import UUID

from api.arguments import Blueprint
from api.auth import caller, requires
from api.pagination import BY_NUMBER, listed
from api.schemas.endpoints import DeliveriesQuery, EventSpanSchema, ResentEventSchema
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import WEBHOOKS_MANAGE
from usage_billing.db.session import read_only
from usage_billing.flows.delivering import send_again
from usage_billing.flows.delivering.send_again import Span, StartedReplay
from usage_billing.reports.deliveries import deliveries_shown, delivery_shown
from usage_billing.webhooks.models import WebhookDelivery
from usage_billing.webhooks.queries import deliveries_where, get_endpoint
from usage_billing.wire.endpoint import ASKED_AGAIN, DELIVERY, REPLAY, TRIED_DELIVERY
from usage_billing.wire.noun import page_of

blp = Blueprint("deliveries", __name__, url_prefix="/api", description="What was sent to endpoints.")


@blp.route("/webhook-endpoints/<identifier:endpoint_id>/replay", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(EventSpanSchema)
@blp.response(202, REPLAY)
def replay_events(span: Span, endpoint_id: str) -> StartedReplay:
    """Send the events of a span again, the oldest first, behind what is new: those that never arrived, or all."""
    with writing() as session:
        return send_again.replay(session, endpoint_id, span, actor=caller().actor, now=state().clock())


@blp.route("/webhook-endpoints/<identifier:endpoint_id>/deliveries", methods=["GET"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(DeliveriesQuery, location="query")
@blp.response(200, page_of(DELIVERY))
def list_deliveries(query: dict[str, Any], endpoint_id: str) -> dict[str, Any]:
    """List what was and is to be sent to an endpoint, the newest event first."""
    with read_only(state().engine) as session:
        get_endpoint(session, endpoint_id)
        return listed(
            session,
            deliveries_where(endpoint_id=endpoint_id, state=query["status"]),
            query,
            noun=DELIVERY,
            by=[WebhookDelivery.position],
            kind=BY_NUMBER,
            newest_first=True,
            viewed=lambda rows: deliveries_shown(session, rows),
        )


@blp.route("/deliveries/<uuid:delivery_id>", methods=["GET"])
@requires(WEBHOOKS_MANAGE)
@blp.response(200, TRIED_DELIVERY)
def show_delivery(delivery_id: UUID) -> dict[str, Any]:
    """Show a delivery with every try."""
    with read_only(state().engine) as session:
        return delivery_shown(session, delivery_id)


@blp.route("/events/<identifier:event_id>/resend", methods=["POST"])
@requires(WEBHOOKS_MANAGE)
@blp.arguments(ResentEventSchema)
@blp.response(202, ASKED_AGAIN)
def resend_event(asked: dict[str, Any], event_id: str) -> dict[str, Any]:
    """Send an event again, under its id: to one endpoint, or to all that want it."""
    with writing() as session:
        count = send_again.resend_event(
            session, event_id, endpoint_id=asked["endpoint_id"], actor=caller().actor, now=state().clock()
        )
    return {"deliveries": count}
