"""Tasks of the queue ``usage``: draining the inbox into the books."""

import logging
from datetime import datetime, timedelta
from typing import Any

import msgspec
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from tasks import base
from tasks.celery import app
from tasks.draining.drain import drain_shard
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import transaction
from usage_billing.flows.recording.record_usage import record_batch
from usage_billing.metering.spelling import parse_recording, read_object

# What waits longer than this was missed: its wake-up was lost, or its drain died.
OVERDUE = timedelta(seconds=3)

_log = logging.getLogger(__name__)


@app.task(name="usage.drain")
def drain(shard: int) -> None:
    """Record what waits in ``shard`` of the inbox, and in others of which little does."""
    try:
        drain_shard(shard, inbox=base.inbox(), engine=base.engine(), stopping=base.stopping, wake_others=_wake_others)
    except Unavailable as error:
        _log.warning("shard %d pauses: %s", shard, error.message)
    except SoftTimeLimitExceeded:
        base.engine().dispose()  # it came anywhere: no connection is to be trusted
        raise


@app.task(name="usage.sweep")
def sweep() -> None:
    """Wake a drain for every shard that has been waiting for one. Any number of these may run."""
    try:
        _wake(before=utc_now() - OVERDUE)
    except Unavailable as error:
        _log.warning("nothing can be swept: %s", error.message)


def _wake_others() -> None:
    try:
        _wake(before=utc_now())
    except OperationalError as error:
        _log.warning("the others cannot be woken, the sweep will: %s", type(error).__name__)


def _wake(*, before: datetime) -> None:
    for shard in base.inbox().overdue(before=before):
        drain.apply_async((shard,))


@app.task(name="usage.record_usage")
def record_usage(body: dict[str, Any]) -> None:
    """Record one usage handed over by an admin, in the form of ``POST /api/usage/record``'s body.

    Without an ``idempotencyKey`` every run of the task counts again, as every request would.
    """
    now = utc_now()
    recording = parse_recording(read_object(msgspec.json.encode(body)), id=new_id(), received_at=now)
    with transaction(base.engine()) as session:
        record_batch(session, [recording], now=now)
