"""The only door from the API to the workers: append to the inbox, then wake somebody.

What the inbox took is accepted. A wake-up that cannot be sent is no reason to say no: the sweep finds it.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from celery import Celery
from flask import Flask, current_app
from kombu.exceptions import OperationalError

from tasks.celery import app as celery_app
from tasks.inbox import Inbox
from tasks.redis_inbox import RedisInbox, connect
from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import Recording
from usage_billing.settings import Settings

# Somebody waits for the answer: better a 503 within a second than a request that hangs.
_TIMEOUT = 1.0
_EXTENSION = "usage_billing.enqueue"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Door:
    inbox: Inbox
    celery: Celery


def init_app(app: Flask, settings: Settings) -> None:
    """Give ``app`` its inbox and a Celery that publishes without patience; nothing is connected yet."""
    inbox = RedisInbox(connect(settings.require_redis(), timeout=_TIMEOUT), max_backlog=settings.max_backlog)
    celery_app.conf.update(
        task_publish_retry=False,
        broker_connection_timeout=_TIMEOUT,
        broker_pool_acquire_timeout=_TIMEOUT,
        broker_transport_options=celery_app.conf.broker_transport_options | _impatient(settings),
    )
    app.extensions[_EXTENSION] = _Door(inbox, celery_app)


def accept(recordings: Sequence[Recording]) -> None:
    """Keep all of ``recordings`` durably; raises Unavailable when that cannot be promised."""
    door = _door()
    for shard in door.inbox.append(recordings):
        _wake("usage.drain", shard)


def find_waiting(record_id: UUID) -> Recording | None:
    """The accepted recording that no worker has recorded yet."""
    return _door().inbox.find(record_id)


def start_run(run_id: UUID) -> None:
    """Wake a worker for a billing run whose row is committed."""
    _wake("billing.aggregate", str(run_id))


def backlog() -> int:
    """How many recordings wait."""
    return _door().inbox.waiting()


def oldest_waiting() -> datetime | None:
    """Since when the oldest recording waits."""
    return _door().inbox.oldest()


def ping() -> None:
    """Raises Unavailable when recordings could not be accepted now."""
    _door().inbox.waiting()


def _wake(task: str, argument: object) -> None:
    try:
        _door().celery.send_task(task, (argument,))
    except (OperationalError, OSError) as error:
        _log.warning("no wake-up could be sent, the sweep will: %s", type(error).__name__, extra={"task": task})


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
    # Under a memory alarm RabbitMQ would block a confirmed publish for ever.
    return {"read_timeout": 3, "write_timeout": 3}
