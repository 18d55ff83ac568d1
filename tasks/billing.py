"""Tasks of the queue ``billing``: the daily chain aggregate -> rate and invoice -> finalize -> close.

Each task does the work that the run's rows show as due and wakes the next task. If a wake-up is lost,
``billing.resume_runs`` takes the run up again. If a wake-up comes twice, the second task finds the work done.
"""

import logging
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from celery import Task

from tasks import base
from tasks.celery import app
from usage_billing.billing_runs.models import SlicePhase
from usage_billing.billing_runs.queries import has_run, is_pending, stalled
from usage_billing.billing_runs.service import beat_heart
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.core.identifiers import new_id
from usage_billing.db import clock
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import do_slice, next_of_run
from usage_billing.flows.billing.open_run import RunRequest, open_run

STALLED = timedelta(seconds=60)
# In seconds, before a run whose row could not be written is tried again.
_PAUSE_SECONDS = 2.0

_log = logging.getLogger(__name__)


@app.task(name="billing.run_daily", bind=True, max_retries=None)
def run_daily(self: "Task[Any, Any]", *, scheduled: bool = False) -> None:
    """Start a billing run over every subscription, and repeat that until its row stands.

    Beat sends ``scheduled=True``: the task then starts the one run of the schedule's last tick, and several beats that
    tick together start no second run. An operator who calls the task by hand omits it: that starts a run now, even
    when the last tick has had its run; a message that is delivered again starts no second one.
    """
    try:
        with transaction(base.engine()) as session:
            now = clock.agreed_now(session, utc_now())
        if scheduled:
            _start(_key_of_tick(now), requested_by="beat")
        else:
            _start(f"task:{uuid5(NAMESPACE_OID, self.request.id or str(new_id()))}", requested_by="task")
    except Unavailable as error:
        _log.warning("no run can be started now, trying again: %s", error.message)
        time.sleep(_PAUSE_SECONDS)
        self.retry(countdown=0)


@app.task(name="billing.sweep_ticks")
def sweep_ticks() -> None:
    """Start the run of the schedule's last tick if it has none: its message was lost, or beat was away at the tick."""
    with transaction(base.engine()) as session:
        key = _key_of_tick(clock.agreed_now(session, utc_now()))
        started = has_run(session, key)
    if not started:
        _log.warning("the tick %s has had no run, starting it", key)
        _start(key, requested_by="beat")


def _key_of_tick(now: datetime) -> str:
    return f"schedule:{base.settings().daily_schedule.last_tick(now):%Y-%m-%dT%H:%MZ}"


def _start(key: str, *, requested_by: str) -> None:
    with transaction(base.engine()) as session:
        run = open_run(session, RunRequest(), requested_by=requested_by, now=utc_now(), key=key)
    aggregate.apply_async((str(run.id),))


@app.task(name="billing.aggregate")
def aggregate(run_id: str) -> None:
    """Plan the slices to rate, and wake a worker for each. A run past this stage is taken up where it stands."""
    _move_on(UUID(run_id))


@app.task(name="billing.invoice_slice")
def invoice_slice(run_id: str, position: int) -> None:
    """Rate and invoice one slice of subscriptions."""
    _do_slice(run_id, SlicePhase.INVOICE, position)
    _wake_next_stage(UUID(run_id), SlicePhase.INVOICE)


@app.task(name="billing.finalize_slice")
def finalize_slice(run_id: str, position: int) -> None:
    """Finalize the due drafts of one slice of subscriptions."""
    _do_slice(run_id, SlicePhase.FINALIZE, position)
    _wake_next_stage(UUID(run_id), SlicePhase.FINALIZE)


@app.task(name="billing.finalize")
def finalize(run_id: str) -> None:
    """Once every slice is rated, plan the slices to finalize, and wake a worker for each."""
    _move_on(UUID(run_id))


@app.task(name="billing.close_run")
def close_run(run_id: str) -> None:
    """Once every slice is finalized, add up what the run did and complete it."""
    _move_on(UUID(run_id))


@app.task(name="billing.resume_runs")
def resume_runs() -> None:
    """Take up each run whose heartbeat is older than ``STALLED``: its messages or its workers were lost."""
    with transaction(base.engine()) as session:
        found = stalled(session, before=clock.database_now(session) - STALLED)
    for run_id in found:
        aggregate.apply_async((str(run_id),))


def _move_on(run_id: UUID) -> None:
    due = next_of_run(base.engine(), run_id, grace=_grace())
    slice_task = invoice_slice if due.phase == SlicePhase.INVOICE else finalize_slice
    for position in due.positions:
        slice_task.apply_async((str(run_id), position))


def _do_slice(run_id: str, phase: SlicePhase, position: int) -> None:
    adjust_within = base.settings().adjust_within
    do_slice(base.engine(), UUID(run_id), phase, position, grace=_grace(), adjust_within=adjust_within)


def _wake_next_stage(run_id: UUID, phase: SlicePhase) -> None:
    # In a transaction after the slice's own: if two slices end at once, the worker that asks later sees both done.
    with transaction(base.engine()) as session:
        beat_heart(session, run_id, now=clock.database_now(session))
        pending = is_pending(session, run_id, phase)
    if not pending:
        (finalize if phase == SlicePhase.INVOICE else close_run).apply_async((str(run_id),))


def _grace() -> timedelta:
    return timedelta(seconds=base.settings().grace_seconds)
