"""The only door from the API to the workers: append to the inbox, then wake a drain.

A recording is accepted once the inbox has it. A wake-up that cannot be sent refuses nothing: the sweep finds the
recording.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Flask, current_app

from api.gather import Gatherer
from api.green import goes_first
from api.waker import Waker
from tasks.celery import app as celery_app
from tasks.inbox.factory import open_inbox
from tasks.inbox.protocol import Inbox
from usage_billing.core import crash
from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import Recording
from usage_billing.settings import Settings

# Seconds for the inbox to answer. A sender waits: a 503 within a second is better than a request that hangs.
_TIMEOUT = 0.9
# Seconds to publish a wake-up. No sender waits for it, but the next wake-up does.
_PUBLISH_TIMEOUT = 3
_MAX_POOL = 16
_EXTENSION = "usage_billing.enqueue"


@dataclass(frozen=True, slots=True)
class _Door:
    inbox: Inbox
    gatherer: Gatherer
    waker: Waker


def init_app(app: Flask, settings: Settings) -> None:
    """Give ``app`` its inbox and a Celery that gives up publishing soon; nothing is connected yet."""
    inbox = open_inbox(settings, timeout=_TIMEOUT, pool_size=min(settings.api_threads, _MAX_POOL))
    celery_app.conf.update(
        task_publish_retry=False,
        broker_connection_timeout=_TIMEOUT,
        broker_pool_acquire_timeout=_TIMEOUT,
        broker_transport_options=celery_app.conf.broker_transport_options | _impatient(settings),
    )
    app.extensions[_EXTENSION] = _Door(inbox, Gatherer(inbox.append), Waker(_send))


def accept(recordings: Sequence[Recording]) -> None:
    """Keep all of ``recordings`` durably; raises Unavailable when that cannot be promised."""
    door = _door()
    crash.point("accept.appending")
    with goes_first():
        asleep = door.gatherer.append(recordings)
    crash.point("accept.appended")
    for shard in asleep:
        door.waker.wake("usage.drain", shard)


def find_waiting(record_id: UUID) -> Recording | None:
    """The accepted recording that no worker has recorded yet."""
    return _door().inbox.find(record_id)


def start_run(run_id: UUID) -> None:
    """Wake a worker for a billing run whose row is committed."""
    crash.point("bill.opened")
    _door().waker.wake("billing.aggregate", str(run_id))


def make_document(invoice_id: UUID) -> None:
    """Wake a worker for the PDF of a final invoice; who asks for the PDF again wakes one again."""
    _door().waker.wake("documents.make", str(invoice_id))


def backlog() -> int:
    """How many recordings wait."""
    return _door().inbox.waiting()


def oldest_waiting() -> datetime | None:
    """Since when the oldest recording waits."""
    return _door().inbox.oldest()


def ping() -> None:
    """Raises Unavailable when recordings could not be accepted now."""
    _door().inbox.waiting()


def flush(seconds: float) -> bool:
    """Wait until every wake-up asked for so far was sent or given up; False if that took longer than ``seconds``."""
    return _door().waker.flush(seconds)


def _send(task: str, argument: object) -> None:
    # Under a memory alarm RabbitMQ would block a confirmed publish for ever.
    celery_app.send_task(task, (argument,), timeout=_PUBLISH_TIMEOUT, confirm_timeout=_PUBLISH_TIMEOUT)
    crash.point("accept.woken")


def _door() -> _Door:
    door = current_app.extensions.get(_EXTENSION)
    if not isinstance(door, _Door):
        raise Unavailable("the inbox is not configured", code="inbox_unavailable")
    return door


def _impatient(settings: Settings) -> dict[str, object]:
    if settings.broker_url.startswith(("redis", "unix")):
        return {
            "socket_timeout": _TIMEOUT,
            "socket_connect_timeout": _TIMEOUT,
            "max_retries": 0,
            "interval_start": 0,
            "interval_step": 0.05,
            "interval_max": 0.1,
        }
    return {}
