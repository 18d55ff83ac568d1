"""Writes endpoints and their secrets. The caller has locked the endpoint."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.access.sealing import WEBHOOKS, seal, unseal
from usage_billing.core.errors import Conflict, NotFound
from usage_billing.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookSecret
from usage_billing.webhooks.states import DeliveryState, DisabledReason, EndpointStatus

_AGAIN = text("""
    INSERT INTO webhook_deliveries AS d
        (id, event_id, endpoint_id, customer_id, position, state, next_at, replay_id, recipient)
    SELECT gen_random_uuid(), o.id, :endpoint, o.customer_id, o.position, :state, :now, CAST(:replay AS uuid),
        r.recipient
    FROM outbox_messages AS o
    CROSS JOIN unnest(coalesce(CAST(:recipients AS varchar[]), CAST(ARRAY[''] AS varchar[]))) AS r (recipient)
    WHERE o.id = ANY (CAST(:ids AS bigint[]))
    ON CONFLICT (event_id, endpoint_id, recipient) DO UPDATE
    SET state = excluded.state, next_at = excluded.next_at, replay_id = excluded.replay_id, tries = 0,
        leased_until = NULL, digest = false
    WHERE NOT :missing OR d.state IN ('failed', 'dropped')
""")


def add_endpoint(session: Session, values: Mapping[str, Any]) -> WebhookEndpoint:
    """Store an endpoint; raises Conflict when the id is taken."""
    row = insert(WebhookEndpoint).values(dict(values)).on_conflict_do_nothing()
    added = session.scalars(row.returning(WebhookEndpoint)).first()
    if added is None:
        raise Conflict(f"there is an endpoint {values['id']} already", code="already_exists")
    return added


def lock_endpoint(session: Session, endpoint_id: str) -> WebhookEndpoint:
    """Lock an endpoint until the transaction ends; raises NotFound."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).with_for_update()
    found = session.scalars(statement.execution_options(populate_existing=True)).first()
    if found is None:
        raise NotFound(f"there is no endpoint {endpoint_id}")
    return found


def lock_endpoints(session: Session, ids: Collection[str]) -> dict[str, WebhookEndpoint]:
    """Lock those of these endpoints that are there, by id, until the transaction ends."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.id.in_(ids)).order_by(WebhookEndpoint.id)
    found = session.scalars(statement.with_for_update().execution_options(populate_existing=True))
    return {one.id: one for one in found}


def add_secret(session: Session, endpoint_id: str, secret: str, *, under: str, now: datetime) -> None:
    """Store a secret that holds from now on, sealed ``under`` the service's own."""
    sealed = seal(secret.encode(), under, purpose=WEBHOOKS)
    session.add(WebhookSecret(endpoint_id=endpoint_id, sealed=sealed, starts_at=now))
    session.flush()


def end_secrets(session: Session, endpoint_id: str, *, newest_at: datetime, others_at: datetime) -> None:
    """End the secrets that hold: the newest of them at ``newest_at``, all older ones at ``others_at``."""
    holding = holding_secrets(session, [endpoint_id], now=others_at)[endpoint_id]
    for place, row in enumerate(holding):
        row.ends_at = newest_at if place == 0 else others_at
    session.flush()


def holding_secrets(
    session: Session, endpoint_ids: Collection[str], *, now: datetime
) -> dict[str, list[WebhookSecret]]:
    """The secrets that hold at ``now``, by endpoint, the newest first."""
    statement = (
        select(WebhookSecret)
        .where(WebhookSecret.endpoint_id.in_(endpoint_ids))
        .where(WebhookSecret.ends_at.is_(None) | (WebhookSecret.ends_at > now))
        .order_by(WebhookSecret.id.desc())
    )
    found: dict[str, list[WebhookSecret]] = {id: [] for id in endpoint_ids}
    for row in session.scalars(statement):
        found[row.endpoint_id].append(row)
    return found


def opened(rows: Sequence[WebhookSecret], *, under: str) -> list[str]:
    """These secrets in clear; one that was sealed under another secret of the service is left out."""
    clear = [unseal(row.sealed, under, purpose=WEBHOOKS) for row in rows]
    return [one.decode() for one in clear if one is not None]


def disable(session: Session, endpoint: WebhookEndpoint, reason: DisabledReason, *, now: datetime) -> None:
    """Tell a locked endpoint nothing more, and hold what waits for it."""
    endpoint.status, endpoint.disabled_reason, endpoint.disabled_at = EndpointStatus.DISABLED, reason, now
    _move(session, endpoint.id, (DeliveryState.WAITING,), state=DeliveryState.HELD)


def enable(session: Session, endpoint: WebhookEndpoint, *, keep: str, now: datetime) -> None:
    """Tell a locked endpoint again.

    Of what is held ``keep`` lets go out ``all``, what was tried and ``failed`` alone, or ``none``; the rest is dropped.
    """
    endpoint.status, endpoint.disabled_reason, endpoint.disabled_at = EndpointStatus.ACTIVE, None, None
    endpoint.failing_since, endpoint.failed_tries, endpoint.paused_until = None, 0, None
    held = (DeliveryState.HELD,)
    if keep == "failed":
        _move(session, endpoint.id, held, WebhookDelivery.tries == 0, state=DeliveryState.DROPPED)
    if keep == "none":
        _move(session, endpoint.id, held, state=DeliveryState.DROPPED)
    else:
        again = {"tries": 0, "next_at": now, "leased_until": None}
        _move(session, endpoint.id, held, state=DeliveryState.WAITING, **again)


def remove_endpoint(session: Session, endpoint: WebhookEndpoint) -> None:
    """Forget a locked endpoint with its secrets, deliveries and attempts."""
    session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id))


def deliver_again(
    session: Session,
    endpoint: WebhookEndpoint,
    event_ids: Collection[int],
    *,
    now: datetime,
    replay_id: Any = None,
    missing: bool = False,
) -> None:
    """Send these events to a locked endpoint, held while it is disabled; with ``missing`` what it never took alone."""
    state = DeliveryState.WAITING if endpoint.status == EndpointStatus.ACTIVE else DeliveryState.HELD
    asked = {"endpoint": endpoint.id, "ids": list(event_ids), "state": state, "now": now, "replay": replay_id}
    session.execute(_AGAIN, asked | {"recipients": endpoint.recipients, "missing": missing})


def drop_recipients(session: Session, endpoint: WebhookEndpoint) -> None:
    """Drop what waits for addresses that a locked endpoint of mail has no more."""
    kept = endpoint.recipients or [""]
    of = WebhookDelivery.recipient.not_in(kept)
    for state in (DeliveryState.WAITING, DeliveryState.HELD):
        _move(session, endpoint.id, (state,), of, state=DeliveryState.DROPPED)


def _move(session: Session, endpoint_id: str, states: tuple[DeliveryState, ...], *more: Any, **values: Any) -> None:
    of = (WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.state.in_(states), *more)
    session.execute(update(WebhookDelivery).where(*of).values(values).execution_options(synchronize_session=False))
