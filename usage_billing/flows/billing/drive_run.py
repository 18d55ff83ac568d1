"""Drives a run slice by slice, for the workers and for the command line.

Each slice is a transaction of its own, and nothing is held between two slices. If the process is killed, at most the
work of one slice is lost, and that slice is done again.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine

from usage_billing.billing_runs.models import BillingRun, BillingRunSlice, SlicePhase
from usage_billing.billing_runs.pins import add_pins
from usage_billing.billing_runs.queries import count_slices, get_run
from usage_billing.billing_runs.service import note_error
from usage_billing.core import crash
from usage_billing.core.errors import Unavailable
from usage_billing.db.bulk import find_by_index, plan_anew
from usage_billing.db.clock import database_now
from usage_billing.db.session import read_only, rolled_back, transaction
from usage_billing.db.words import plain_words
from usage_billing.flows.billing.bill_slice import ITS_OWN_FAULT, SliceWork, Windows, bill_apart, bill_together
from usage_billing.flows.billing.foresee_plan import FoundOfPlan, foresee_plan
from usage_billing.flows.billing.held_run import DigestChanged, check_outcome, give_up
from usage_billing.flows.billing.plan_change import PlanChange
from usage_billing.flows.billing.run_stages import (
    Next,
    claim_slice,
    move_on,
    note_done,
    subscriptions_in,
)
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN

_PAUSE_SECONDS = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in slices. ``total`` grows when a stage is planned."""

    stage: str
    done: int
    total: int


def next_of_run(engine: Engine, run_id: UUID, *, grace: timedelta) -> Next:
    """Move the run on to the stage that its rows allow, in a transaction of its own; returns what is due there."""
    with transaction(engine) as session:
        due = move_on(session, run_id, grace=grace, now=database_now(session))
    crash.point("bill.planned")
    return due


def do_slice(
    engine: Engine,
    run_id: UUID,
    phase: SlicePhase,
    position: int,
    *,
    grace: timedelta,
    adjust_within: timedelta = ADJUSTMENT_SPAN,
) -> None:
    """Do one slice, or nothing if it is done or another worker has locked it.

    If the slice fails, the error is stored on the run until the run completes, and raised. So an operator sees it,
    although other workers try the slice again. Unavailable is raised and not stored.
    """
    try:
        _do_what_can_be_done(engine, run_id, phase, position, Windows(grace, adjust_within))
    except Unavailable:
        raise
    except DigestChanged:
        with transaction(engine) as session:
            give_up(session, run_id, now=database_now(session))
    except Exception as error:
        with suppress(Unavailable), transaction(engine) as session:
            note_error(session, run_id, plain_words(error))
        raise
    crash.point("bill.done")


def _do_what_can_be_done(engine: Engine, run_id: UUID, phase: SlicePhase, position: int, windows: Windows) -> None:
    try:
        _do_slice(engine, run_id, phase, position, windows, apart=False)
    except ITS_OWN_FAULT as error:
        extra = {"run": str(run_id)}
        _log.warning("a slice failed; trying again without what cannot be billed", exc_info=error, extra=extra)
        _do_slice(engine, run_id, phase, position, windows, apart=True)


def run_to_end(
    engine: Engine,
    run_id: UUID,
    *,
    settings_grace: timedelta,
    on_progress: Callable[[Progress], None],
    adjust_within: timedelta = ADJUSTMENT_SPAN,
) -> BillingRun:
    """Drive the run to its end in this process; workers may do slices of it at the same time."""
    before: Next | None = None
    while True:
        due = next_of_run(engine, run_id, grace=settings_grace)
        if due == before:
            time.sleep(_PAUSE_SECONDS)  # another worker does the slices that are left
        before = due
        done, total = _count(engine, run_id)
        for position in due.positions:
            do_slice(
                engine,
                run_id,
                due.phase or SlicePhase.INVOICE,
                position,
                grace=settings_grace,
                adjust_within=adjust_within,
            )
            done += 1
            on_progress(Progress(due.phase or "", done, total))
        if due.phase is None:
            break
    with transaction(engine) as session:
        run = get_run(session, run_id)
    on_progress(Progress(run.status, 1, 1))
    return run


def _do_slice(engine: Engine, run_id: UUID, phase: SlicePhase, position: int, windows: Windows, *, apart: bool) -> None:
    with transaction(engine) as session:
        find_by_index(session)
        plan_anew(session)
        run = get_run(session, run_id)
        part = claim_slice(session, run_id, phase, position)
        if part is None:
            return
        crash.point("bill.claimed")
        ids = subscriptions_in(session, run, part, grace=windows.grace)
        work, bill = _work_of(run, part, windows), bill_apart if apart else bill_together
        foreseen = None
        if run.plan_change is not None:
            found = _foresee_slice(engine, run, PlanChange.from_json(run.plan_change), ids, windows)
            outcome, foreseen = found.outcome, found.foreseen
        elif run.dry_run:
            with rolled_back(engine) as rehearsal:
                find_by_index(rehearsal)
                plan_anew(rehearsal)
                outcome = bill(rehearsal, work, ids)
            add_pins(session, run.id, outcome.rated)
        else:
            outcome = bill(session, work, ids)
            if part.phase == SlicePhase.FINALIZE:
                check_outcome(session, run, outcome)
        note_done(run, part, outcome, foreseen)
        crash.point("bill.committing")


def _foresee_slice(
    engine: Engine, run: BillingRun, change: PlanChange, ids: Sequence[str], windows: Windows
) -> FoundOfPlan:
    with read_only(engine) as session:
        find_by_index(session)
        plan_anew(session)
        return foresee_plan(session, change, ids, now=run.as_of, adjust_within=windows.adjust_within)


def _work_of(run: BillingRun, part: BillingRunSlice, windows: Windows) -> SliceWork:
    rates = part.phase == SlicePhase.INVOICE
    return SliceWork(
        as_of=run.as_of,
        windows=windows,
        held_to=run.rehearsal_id,
        actor=run.requested_by,
        rates=rates,
        finalizes=run.dry_run or not rates,
    )


def _count(engine: Engine, run_id: UUID) -> tuple[int, int]:
    with transaction(engine) as session:
        return count_slices(session, run_id)
