"""Endpoints and deliveries as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.outbox.models import OutboxMessage
from usage_billing.outbox.rendering import event_id
from usage_billing.webhooks.models import WebhookDelivery, WebhookEndpoint
from usage_billing.webhooks.queries import attempts_of, counts_of, get_delivery, get_endpoint
from usage_billing.webhooks.states import TO_CUSTOMER, DeliveryState, EndpointKind


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointView:
    """An endpoint with how many events wait for it and are held; with its ``secret`` when that is new."""

    endpoint: WebhookEndpoint
    waiting: int
    held: int
    secret: str | None = None

    @property
    def types(self) -> list[str]:
        """The types that it is told."""
        return ["*"] if self.endpoint.types is None else self.endpoint.types

    @property
    def to(self) -> str | list[str] | None:
        """The addresses of mail."""
        if self.endpoint.kind == EndpointKind.WEBHOOK:
            return None
        return self.endpoint.recipients or TO_CUSTOMER


def endpoint_views(session: Session, endpoints: Sequence[WebhookEndpoint]) -> list[EndpointView]:
    """These endpoints."""
    counts = counts_of(session, [one.id for one in endpoints])
    return [
        EndpointView(
            endpoint=one,
            waiting=counts.get((one.id, DeliveryState.WAITING), 0),
            held=counts.get((one.id, DeliveryState.HELD), 0),
        )
        for one in endpoints
    ]


def endpoint_view(session: Session, endpoint_id: str) -> EndpointView:
    """An endpoint by its id; raises NotFound."""
    (view,) = endpoint_views(session, [get_endpoint(session, endpoint_id)])
    return view


def deliveries_shown(session: Session, deliveries: Sequence[WebhookDelivery]) -> list[dict[str, Any]]:
    """These deliveries, each with its event."""
    ids = [one.event_id for one in deliveries]
    events = {one.id: one for one in session.scalars(select(OutboxMessage).where(OutboxMessage.id.in_(ids)))}
    return [_shown(one, events[one.event_id]) for one in deliveries]


def delivery_shown(session: Session, delivery_id: UUID) -> dict[str, Any]:
    """A delivery with its attempts; raises NotFound."""
    delivery = get_delivery(session, delivery_id)
    (shown,) = deliveries_shown(session, [delivery])
    return {**shown, "attempts": attempts_of(session, [delivery.id])[delivery.id]}


def _shown(delivery: WebhookDelivery, event: OutboxMessage) -> dict[str, Any]:
    id = "" if event.public_id is None else event_id(event.public_id)
    return {"delivery": delivery, "event_id": id, "type": event.topic, "recipient": delivery.recipient or None}
