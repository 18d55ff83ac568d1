"""Tasks of the queue ``usage``, which drain the inbox into the books."""

import logging
from datetime import datetime, timedelta
from typing import Any

import msgspec
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from tasks import base
from tasks.celery import app
from tasks.draining.drain import drain_shard
from tasks.draining.tuning import TUNING
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import transaction
from usage_billing.flows.recording.record_usage import record_batch
from usage_billing.metering.spelling import parse_recording, read_object

# If an entry waits longer than this, its wake-up was lost or its drain died.
OVERDUE = timedelta(seconds=3)

_log = logging.getLogger(__name__)


@app.task(name="usage.drain")
def drain(shard: int) -> None:
    """Record what waits in ``shard`` of the inbox; if that is little, take the other shards along."""
    try:
        _drain(shard)
    except Unavailable as error:
        _log.warning("shard %d pauses: %s", shard, error.message)
    except SoftTimeLimitExceeded:
        base.engine().dispose()  # the limit can strike anywhere, in the midst of an answer too: trust no connection
        raise


@app.task(name="usage.sweep")
def sweep() -> None:
    """Wake a drain for every shard in which an entry waits longer than ``OVERDUE``. Several sweeps may run at once."""
    try:
        _wake(before=utc_now() - OVERDUE)
    except Unavailable as error:
        _log.warning("nothing can be swept: %s", error.message)


def _drain(shard: int) -> None:
    drain_shard(
        shard,
        inbox=base.inbox(),
        engine=base.engine(),
        stopping=base.stopping,
        wake_others=_wake_others,
        tuning=TUNING,
    )


def _wake_others() -> None:
    try:
        _wake(before=utc_now())
    except OperationalError as error:
        _log.warning("the other shards' drains cannot be woken now, the sweep will do so: %s", type(error).__name__)


def _wake(*, before: datetime) -> None:
    for shard in base.inbox().overdue(before=before):
        drain.apply_async((shard,))


@app.task(name="usage.record_usage")
def record_usage(body: dict[str, Any]) -> None:
    """Record one usage that an admin hands over; ``body`` has the form of ``POST /api/usage/record``'s body.

    Without an ``idempotencyKey`` each run of the task counts the usage again, as each request does. Raises
    InvalidInput.
    """
    now = utc_now()
    recording = parse_recording(read_object(msgspec.json.encode(body)), id=new_id(), received_at=now)
    with transaction(base.engine()) as session:
        record_batch(session, [recording], now=now)
