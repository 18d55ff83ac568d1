"""What became of tries: of deliveries, and of the endpoints that took them or did not."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.clock import instant_text
from usage_billing.outbox.service import Fact, tell
from usage_billing.webhooks.deliveries import Attempt, lock_deliveries, log_attempts, note_failed, note_sent
from usage_billing.webhooks.models import WebhookEndpoint
from usage_billing.webhooks.retries import is_given_up, next_try
from usage_billing.webhooks.service import disable, lock_endpoints
from usage_billing.webhooks.states import DisabledReason, EndpointStatus
from usage_billing.wire.event import ENDPOINT_DISABLED_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show

_GONE = 410
_CONCERNED = text("""
    SELECT id FROM webhook_endpoints
    WHERE id = ANY (CAST(:failed AS text[])) OR (id = ANY (CAST(:taken AS text[])) AND failing_since IS NOT NULL)
""")


def note_attempts(session: Session, attempts: Sequence[Attempt], *, jitter: Callable[[], int]) -> None:
    """Store these tries; ``jitter`` gives the per cent of a step after which the next try is made.

    An endpoint is disabled by a 410, and when every try failed for five days; that is told to the others.
    """
    if not attempts:
        return
    failed = {one.delivery.endpoint_id for one in attempts if one.is_endpoints_failure}
    taken = {one.delivery.endpoint_id for one in attempts if one.is_success}
    concerned = session.scalars(_CONCERNED, {"failed": list(failed), "taken": list(taken)}).all()
    endpoints = lock_endpoints(session, concerned) if concerned else {}
    lock_deliveries(session, attempts)
    log_attempts(session, attempts)
    note_sent(session, [one for one in attempts if one.is_success])
    for attempt in sorted(attempts, key=lambda one: one.at):
        if not attempt.is_success:
            _note_try(session, attempt, jitter=jitter())
        endpoint = endpoints.get(attempt.delivery.endpoint_id)
        if endpoint is None:
            continue
        if attempt.is_success:
            endpoint.failing_since, endpoint.failed_tries = None, 0
        elif attempt.of_endpoint:
            _note_failure(session, endpoint, attempt)
    session.flush()


def tell_disabled(session: Session, endpoint: WebhookEndpoint, *, now: datetime) -> None:
    """Tell the other endpoints that this one is disabled."""
    topic = EventType.ENDPOINT_DISABLED
    told = {"endpoint_id": endpoint.id, "url": endpoint.url, "kind": endpoint.kind, "reason": endpoint.disabled_reason}
    key = f"{topic}:{endpoint.id}:{instant_text(now)}"
    tell(session, [Fact(topic, key, show(ENDPOINT_DISABLED_TOLD, told))])


def _note_try(session: Session, attempt: Attempt, *, jitter: int) -> None:
    tries = attempt.delivery.tries + 1
    next_at = next_try(tries, jitter=jitter, now=attempt.ended, wait=attempt.wait)
    note_failed(session, attempt, next_at=None if attempt.is_final else next_at)


def _note_failure(session: Session, endpoint: WebhookEndpoint, attempt: Attempt) -> None:
    at = attempt.ended
    endpoint.failing_since = endpoint.failing_since or attempt.at
    endpoint.failed_tries += 1
    if attempt.wait is not None:
        endpoint.paused_until = max(endpoint.paused_until or at, at + attempt.wait)
    if endpoint.status == EndpointStatus.DISABLED:
        return
    reason = None
    if attempt.status == _GONE:
        reason = DisabledReason.GONE
    elif is_given_up(failing_since=endpoint.failing_since, failed_tries=endpoint.failed_tries, now=at):
        reason = DisabledReason.FAILING
    if reason is not None:
        session.flush()
        disable(session, endpoint, reason, now=at)
        tell_disabled(session, endpoint, now=at)
