"""Events that go out once more: one of them, or all of a span."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.core.identifiers import new_id
from usage_billing.flows.delivering.manage_endpoints import check_active, named_types
from usage_billing.outbox.queries import bodies_of, get_event
from usage_billing.outbox.service import KEPT
from usage_billing.webhooks.queries import endpoints_that_want, events_to_replay, replays
from usage_billing.webhooks.service import deliver_again, lock_endpoint, lock_endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Events from ``since`` to before ``until``, of some types; with ``failed`` only what never arrived."""

    since: datetime
    until: datetime | None = None
    types: Sequence[str] | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedReplay:
    """A replay that is under way: its id, and how many events it sends."""

    replay_id: UUID
    deliveries: int


def resend_event(session: Session, event_id: str, *, endpoint_id: str | None, actor: str, now: datetime) -> int:
    """Send an event again, to one endpoint or to all that want it; returns to how many. Raises NotFound, Conflict."""
    event = get_event(session, event_id)
    if not bodies_of(session, [event.id]):
        raise NotFound(f"the event {event_id} is not kept any more")
    if endpoint_id is None:
        endpoints = list(lock_endpoints(session, endpoints_that_want(session, event.id)).values())
    else:
        endpoints = [lock_endpoint(session, endpoint_id)]
        check_active(endpoints[0])
        is_its_own = event.payload.get("endpointId") == endpoint_id  # a test of itself
        if event.customer_id is None and not endpoints[0].has_addresses:
            raise Conflict("the endpoint tells customers, and the event is about none", code="other_customer")
        if endpoints[0].customer_id not in {None, event.customer_id} and not is_its_own:
            raise Conflict("the endpoint is for events of another customer", code="other_customer")
    for endpoint in endpoints:
        deliver_again(session, endpoint, [event.id], now=now)
    more = {"endpoints": [one.id for one in endpoints]}
    note(session, actor=actor, action="event.resent", subject=f"event:{event_id}", at=now, **more)
    return len(endpoints)


def replay(session: Session, endpoint_id: str, span: Span, *, actor: str, now: datetime) -> StartedReplay:
    """Send the events of a span to an endpoint again, behind what is new.

    Raises NotFound; InvalidInput for a span of before what is kept; Conflict with the code ``replay_running``, or
    ``endpoint_disabled``.
    """
    endpoint = lock_endpoint(session, endpoint_id)
    check_active(endpoint)
    until = span.until or now
    if until <= span.since:
        raise InvalidInput.field("/until", "must be after since", code="out_of_range")
    if span.since < now - KEPT:
        raise InvalidInput.field(
            "/since", f"must be within the {KEPT.days} days that events are kept", code="out_of_range"
        )
    types = None if span.types is None else named_types(span.types)
    if replays(session, endpoint_id):
        raise Conflict("a replay to the endpoint is under way; its deliveries are listed", code="replay_running")
    ids = events_to_replay(session, endpoint_id, since=span.since, until=until, types=types, failed=span.failed)
    started = StartedReplay(replay_id=new_id(), deliveries=len(ids))
    deliver_again(session, endpoint, ids, now=now, replay_id=started.replay_id, missing=span.failed)
    note(
        session,
        actor=actor,
        action="endpoint.replayed",
        subject=f"endpoint:{endpoint_id}",
        at=now,
        replayId=str(started.replay_id),
        events=len(ids),
    )
    return started
