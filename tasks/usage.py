"""Tasks that drain the inbox into the books (queue ``usage``) and count for meters what is in them (``folding``)."""

import logging
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
from celery import Task
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from tasks import base
from tasks.celery import app
from tasks.draining.drain import drain_shard
from tasks.draining.tuning import TUNING
from usage_billing.catalog.quantity_versions import types_that_make_quantities
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.core.identifiers import is_identifier, new_id
from usage_billing.db.session import read_only
from usage_billing.flows.folding.drive_folds import fold_new
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import parse_recording, read_object
from usage_billing.meters.queries import has_meters

# If an entry waits longer than this, its wake-up was lost or its drain died.
OVERDUE = timedelta(seconds=3)
# In seconds, before a recording that the inbox did not take is offered again. A worker without an inbox has nothing
# else to do in the meantime.
_PAUSE_SECONDS = 1.0

# In seconds: for how long a fold goes on before others get their turn, and how often a process wakes one at most.
FOLD_SECONDS = 5
FOLD_EVERY_SECONDS = 1
_woken: float = -FOLD_EVERY_SECONDS

_log = logging.getLogger(__name__)


@app.task(name="usage.drain")
def drain(shard: int) -> None:
    """Record what waits in ``shard`` of the inbox; if that is little, take the other shards along."""
    try:
        if _drain(shard):
            _wake_fold()
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


def _drain(shard: int) -> int:
    return drain_shard(
        shard,
        inbox=base.inbox(),
        engine=base.engine(),
        stopping=_is_to_stop,
        wake_others=_wake_others,
        tuning=TUNING,
    )


def _is_to_stop() -> bool:
    """What a drain asks before each round; so it is known for how long the drain is at work."""
    base.note_drain()
    return base.stopping()


@app.task(name="usage.fold")
def fold() -> None:
    """Count for meters what is in the books and not counted yet; if much is left, wake the next fold."""
    try:
        if fold_new(base.engine(), seconds=FOLD_SECONDS, stopping=base.stopping):
            fold.apply_async()
    except Unavailable as error:
        _log.warning("nothing can be folded: %s", error.message)


def _wake_fold() -> None:
    """Wake a fold if there is a meter and this process woke none within the last second."""
    global _woken  # noqa: PLW0603  each process has its own, as it has its engine
    now = time.monotonic()
    if now < _woken + FOLD_EVERY_SECONDS:
        return
    _woken = now
    try:
        with read_only(base.engine()) as session:
            any_meter = has_meters(session)
        if any_meter:
            fold.apply_async()
    except OperationalError as error:
        _log.warning("a fold cannot be woken now, beat will do so: %s", type(error).__name__)


def _wake_others() -> None:
    try:
        _wake(before=utc_now())
    except OperationalError as error:
        _log.warning("the other shards' drains cannot be woken now, the sweep will do so: %s", type(error).__name__)


def _wake(*, before: datetime) -> None:
    for shard in base.inbox().overdue(before=before):
        drain.apply_async((shard,))


@app.task(name="usage.record_usage", bind=True, max_retries=None)
def record_usage(self: "Task[Any, Any]", body: dict[str, Any]) -> None:
    """Accept one recording that an admin hands over; ``body`` has the form of ``POST /api/usage/record``'s body.

    The recording goes into the inbox, as a request's does. Without an ``idempotencyKey`` the task's id is its key, so a
    message that is delivered again counts nothing twice. While the inbox takes nothing, the message goes back to the
    end of its queue. Raises InvalidInput.
    """
    recording = _recording_of(body, self.request.id)
    try:
        asleep = base.inbox().append([recording])
    except Unavailable as error:
        _log.warning("the recording of task %s is offered again: %s", self.request.id, error.message)
        if error.code == "backlog_full":
            drain(recording.shard)  # unless another worker drains it; else a queue full of these would be in its way
        time.sleep(_PAUSE_SECONDS)
        self.retry(countdown=0)
    for shard in asleep:
        drain.apply_async((shard,))


def _recording_of(body: dict[str, Any], task_id: str | None) -> Recording:
    """The recording of a message; raises InvalidInput."""
    fields, key = read_object(msgspec.json.encode(body)), _key_of_task(task_id)
    return parse_recording(fields, id=new_id(), received_at=utc_now(), default_key=key, is_made=_is_made)


def _is_made(usage_type: str) -> bool:
    """Whether the usage type makes quantities; where the database does not answer, the drain decides later."""
    try:
        with read_only(base.engine()) as session:
            return usage_type in types_that_make_quantities(session)
    except Unavailable:
        return True


def _key_of_task(task_id: str | None) -> str:
    if task_id is None:  # called as a function
        return ""
    return task_id if is_identifier(task_id) else str(uuid5(NAMESPACE_OID, task_id))
