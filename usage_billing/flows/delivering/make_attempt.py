"""Makes one try of a delivery. It raises nothing: what is wrong with one endpoint costs no other its tries."""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from usage_billing.outbox.rendering import event_id
from usage_billing.webhooks.addresses import Network
from usage_billing.webhooks.claims import ClaimedDelivery
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.judging import Resolve
from usage_billing.webhooks.retries import asked_to_wait
from usage_billing.webhooks.sending import Exchange
from usage_billing.webhooks.signing import headers_of

_UNREADABLE = "its secrets are sealed under another USAGE_BILLING_SECRET"
_WAITS_FOR = frozenset({429, 503})

_log = logging.getLogger(__name__)


def running_for() -> timedelta:
    """The monotonic clock."""
    return timedelta(microseconds=time.monotonic_ns() // 1000)


def make_attempt(
    exchange: Exchange,
    delivery: ClaimedDelivery,
    secrets: Sequence[str],
    *,
    now: Callable[[], datetime],
    allowed: Sequence[Network],
    resolve: Resolve,
) -> Attempt:
    """Post a delivery, signed by ``secrets``, and say what became of it. A fault of ours is a failed try too."""
    at, started = now(), running_for()
    if not secrets:
        return Attempt(delivery=delivery, at=at, milliseconds=0, error=_UNREADABLE)
    try:
        headers = headers_of(secrets, id=event_id(delivery.public_id), at=at, body=delivery.body)
        answer = exchange.post(delivery.url, delivery.body, headers, allowed=allowed, resolve=resolve)
        wait = asked_to_wait(answer.retry_after, now=at) if answer.status in _WAITS_FOR else None
    except Exception as error:
        _log.exception("a delivery to the endpoint %s could not be tried", delivery.endpoint_id)
        return Attempt(delivery=delivery, at=at, milliseconds=since(started), error=type(error).__name__)
    return Attempt(
        delivery=delivery,
        at=at,
        milliseconds=since(started),
        status=answer.status,
        error=answer.error,
        answer=answer.text,
        wait=wait,
    )


def since(started: timedelta) -> int:
    """The milliseconds since then, by the monotonic clock."""
    return round((running_for() - started) / timedelta(milliseconds=1))
