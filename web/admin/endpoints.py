"""Endpoints at the desk: whom the service tells of events, what waits and is held, and what became of telling them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Response

from api.pagination import BY_NAME, BY_NUMBER
from usage_billing.reports.deliveries import deliveries_shown, delivery_shown, endpoint_view, endpoint_views
from usage_billing.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from usage_billing.webhooks.queries import attempts_of, deliveries_where, endpoints_where
from usage_billing.wire.endpoint import ATTEMPT, DELIVERY, ENDPOINT, STATES, TRIED_DELIVERY
from usage_billing.wire.noun import Shape, show
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import Listed, listed

STATUSES = (("", "all"), ("active", "active"), ("disabled", "disabled"))
_STATE_CHOICES = (("", "any"), *((state, state) for state in STATES))


@blp.get("/endpoints")
@looking
def list_endpoints(desk: Desk) -> Response:
    """Endpoints by id; ``status`` chooses."""
    query = query_of("status", "after")
    found = listed(
        desk,
        endpoints_where(status=query.get("status")),
        query,
        noun=ENDPOINT,
        by=[WebhookEndpoint.id],
        kind=BY_NAME,
        path=["endpoints"],
        viewed=lambda rows: endpoint_views(desk.session, rows),
    )
    return framed(
        desk,
        "endpoints",
        "endpoints",
        endpoints=found.rows,
        following=found.following,
        query=query,
        statuses=STATUSES,
    )


@blp.get("/endpoints/<identifier:endpoint_id>")
@looking
def show_endpoint(desk: Desk, endpoint_id: str) -> Response:
    """One endpoint, and what was and is to be sent to it, the newest event first; ``state`` chooses."""
    query = query_of("state", "after")
    endpoint = show(ENDPOINT, endpoint_view(desk.session, endpoint_id))
    statement = deliveries_where(endpoint_id=endpoint_id, state=query.get("state"))
    found = listed(
        desk,
        statement,
        query,
        noun=DELIVERY,
        by=[WebhookDelivery.position],
        kind=BY_NUMBER,
        path=["endpoints", endpoint_id],
        newest_first=True,
        viewed=lambda rows: deliveries_shown(desk.session, rows),
    )
    return framed(
        desk,
        "endpoints",
        "endpoint",
        endpoint=endpoint,
        deliveries=_answered(desk, found),
        following=found.following,
        query=query,
        states=_STATE_CHOICES,
        history=last_of(desk, [f"endpoint:{endpoint_id}"]),
    )


@blp.get("/deliveries/<uuid:delivery_id>")
@looking
def show_delivery(desk: Desk, delivery_id: UUID) -> Response:
    """One event for one endpoint, with every try that is kept."""
    query_of()
    delivery = show(TRIED_DELIVERY, delivery_shown(desk.session, delivery_id))
    return framed(desk, "endpoints", "delivery", delivery=delivery)


def with_tries(desk: Desk, deliveries: Sequence[WebhookDelivery]) -> list[Shape]:
    """These deliveries as the API shows them, each with its tries."""
    tries = attempts_of(desk.session, [one.id for one in deliveries])
    shapes = [show(DELIVERY, one) for one in deliveries_shown(desk.session, deliveries)]
    return [
        shape | {"attempts": [show(ATTEMPT, tried) for tried in tries[one.id]]}
        for one, shape in zip(deliveries, shapes, strict=True)
    ]


def _answered(desk: Desk, found: Listed) -> list[dict[str, Any]]:
    """The rows of a list, each with its last try; None where none was made or is kept."""
    tries = attempts_of(desk.session, [UUID(row["id"]) for row in found.rows])
    return [row | {"last": _last(tries[UUID(row["id"])])} for row in found.rows]


def _last(tries: Sequence[WebhookAttempt]) -> Shape | None:
    return show(ATTEMPT, tries[-1]) if tries else None
