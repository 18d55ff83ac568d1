"""Reads endpoints, deliveries and what became of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select, text
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from usage_billing.webhooks.states import DeliveryState, EndpointKind, EndpointStatus

_FOR_REPLAY = text("""
    SELECT o.id
    FROM outbox_messages AS o
    JOIN webhook_endpoints AS e ON e.id = :endpoint
    CROSS JOIN LATERAL (
        SELECT coalesce(bool_or(d.state IN ('waiting', 'held')), false) AS is_open,
            coalesce(bool_or(d.state IN ('failed', 'dropped')), true) AS is_missing
        FROM webhook_deliveries AS d
        WHERE d.event_id = o.id AND d.endpoint_id = e.id
    ) AS d
    WHERE o.position IS NOT NULL AND o.created_at >= :since AND o.created_at < :until
        AND o.topic NOT IN ('endpoint.test', 'endpoint.disabled')
        AND EXISTS (SELECT FROM event_bodies AS b WHERE b.event_id = o.id AND b.version = e.version)
        AND CASE WHEN CAST(:types AS text[]) IS NULL THEN e.types IS NULL OR o.topic = ANY (e.types)
            ELSE o.topic = ANY (CAST(:types AS text[])) END
        AND (
            o.topic NOT LIKE 'alert.%' OR jsonb_typeof(o.payload -> 'endpointIds') IS DISTINCT FROM 'array'
            OR jsonb_exists(o.payload -> 'endpointIds', e.id)
        )
        AND (e.customer_id IS NULL OR e.customer_id = o.customer_id)
        AND (e.kind = 'webhook' OR e.recipients IS NOT NULL OR o.customer_id IS NOT NULL)
        AND (NOT :failed OR d.is_missing) AND NOT d.is_open
    ORDER BY o.position
""")
_WANTING = text("""
    SELECT e.id
    FROM webhook_endpoints AS e
    JOIN outbox_messages AS o ON o.id = :event
    WHERE CASE WHEN o.topic LIKE 'alert.%' AND jsonb_typeof(o.payload -> 'endpointIds') = 'array'
            THEN jsonb_exists(o.payload -> 'endpointIds', e.id)
            ELSE e.types IS NULL OR o.topic = ANY (e.types)
        END
        AND (e.customer_id IS NULL OR e.customer_id = o.customer_id)
        AND o.topic NOT IN ('endpoint.test', 'endpoint.disabled')
        AND (e.kind = 'webhook' OR e.recipients IS NOT NULL OR o.customer_id IS NOT NULL)
""")
_BACKLOG = text("""
    SELECT coalesce(extract(epoch FROM :now - min(d.next_at)), 0) AS seconds
    FROM webhook_deliveries AS d
    JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
    WHERE d.state = 'waiting' AND e.status = 'active'
""")


def endpoints_where(*, status: str | None = None) -> Select[WebhookEndpoint]:
    """The endpoints, of one status."""
    statement = select(WebhookEndpoint)
    return statement if status is None else statement.where(WebhookEndpoint.status == status)


def get_endpoint(session: Session, endpoint_id: str) -> WebhookEndpoint:
    """An endpoint; raises NotFound."""
    found = session.get(WebhookEndpoint, endpoint_id)
    if found is None:
        raise NotFound(f"there is no endpoint {endpoint_id}")
    return found


def own_endpoints(session: Session, customer_id: str) -> Sequence[WebhookEndpoint]:
    """The endpoints that tell a customer alone, by id: its own webhooks, and mail to each customer's own address."""
    of_all = or_(WebhookEndpoint.customer_id == customer_id, WebhookEndpoint.customer_id.is_(None))
    mail = and_(WebhookEndpoint.kind == EndpointKind.EMAIL, WebhookEndpoint.recipients.is_(None), of_all)
    webhook = and_(WebhookEndpoint.kind == EndpointKind.WEBHOOK, WebhookEndpoint.customer_id == customer_id)
    return session.scalars(select(WebhookEndpoint).where(or_(mail, webhook)).order_by(WebhookEndpoint.id)).all()


def count_endpoints(session: Session) -> int:
    """How many endpoints there are."""
    return session.scalar(select(func.count()).select_from(WebhookEndpoint)) or 0


def versions_in_use(session: Session) -> set[str]:
    """The versions that endpoints are told by."""
    return set(session.scalars(select(WebhookEndpoint.version).distinct()))


def deliveries_where(
    *, endpoint_id: str | None = None, event_id: int | None = None, state: str | None = None
) -> Select[WebhookDelivery]:
    """The deliveries to an endpoint, of an event by its row's id, in one state."""
    statement = select(WebhookDelivery)
    if event_id is not None:
        statement = statement.where(WebhookDelivery.event_id == event_id)
    if endpoint_id is not None:
        statement = statement.where(WebhookDelivery.endpoint_id == endpoint_id)
    return statement if state is None else statement.where(WebhookDelivery.state == state)


def get_delivery(session: Session, delivery_id: UUID) -> WebhookDelivery:
    """A delivery; raises NotFound."""
    found = session.get(WebhookDelivery, delivery_id)
    if found is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    return found


def attempts_of(session: Session, delivery_ids: Collection[UUID]) -> dict[UUID, list[WebhookAttempt]]:
    """The attempts of these deliveries, the first first."""
    found: dict[UUID, list[WebhookAttempt]] = {id: [] for id in delivery_ids}
    statement = select(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(delivery_ids)).order_by(WebhookAttempt.id)
    for row in session.scalars(statement):
        found[row.delivery_id].append(row)
    return found


def counts_of(session: Session, endpoint_ids: Collection[str]) -> Mapping[tuple[str, str], int]:
    """How many deliveries wait and how many are held, by endpoint and state."""
    open_states = (DeliveryState.WAITING, DeliveryState.HELD)
    rows = session.execute(
        select(WebhookDelivery.endpoint_id, WebhookDelivery.state, func.count().label("number"))
        .where(WebhookDelivery.endpoint_id.in_(endpoint_ids), WebhookDelivery.state.in_(open_states))
        .group_by(WebhookDelivery.endpoint_id, WebhookDelivery.state)
    )
    return {(row.endpoint_id, row.state): row.number for row in rows}


def events_to_replay(
    session: Session, endpoint_id: str, *, since: datetime, until: datetime, types: Sequence[str] | None, failed: bool
) -> list[int]:
    """The events of a span that an endpoint wants, kept still, and not on their way to it; the oldest first.

    With ``failed`` those alone that it never took.
    """
    asked = {
        "endpoint": endpoint_id,
        "since": since,
        "until": until,
        "types": None if types is None else list(types),
        "failed": failed,
    }
    return list(session.scalars(_FOR_REPLAY, asked))


def endpoints_that_want(session: Session, event_id: int) -> list[str]:
    """The endpoints that are told of an event, by its row's id."""
    return list(session.scalars(_WANTING, {"event": event_id}))


def replays(session: Session, endpoint_id: str) -> bool:
    """Whether a replay to an endpoint is under way."""
    statement = select(WebhookDelivery.id).where(
        WebhookDelivery.endpoint_id == endpoint_id,
        WebhookDelivery.replay_id.is_not(None),
        WebhookDelivery.state == DeliveryState.WAITING,
    )
    return session.scalar(statement.limit(1)) is not None


def oldest_due(session: Session, *, now: datetime) -> int:
    """For how many seconds the oldest delivery to an active endpoint has been due; negative before it is."""
    return int(session.execute(_BACKLOG, {"now": now}).scalar_one())


def failing_endpoints(session: Session) -> Sequence[WebhookEndpoint]:
    """The endpoints that are disabled for their failures, or at which every try fails now."""
    statement = select(WebhookEndpoint).where(
        WebhookEndpoint.failing_since.is_not(None) | (WebhookEndpoint.status == EndpointStatus.DISABLED)
    )
    return session.scalars(statement.order_by(WebhookEndpoint.id)).all()
