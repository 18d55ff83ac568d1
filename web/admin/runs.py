"""Billing runs: their list, one with its stages and warnings, a run or a dry run now, and a dry run made real."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api import enqueue
from api.pagination import BY_ID
from api.state import state
from usage_billing.billing_runs.models import BillingRun, RunKind, RunStatus
from usage_billing.billing_runs.queries import count_slices, get_run
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.core.errors import Conflict
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.billing.drive_rehearsal import expect
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.wire.billing_run import RUN
from usage_billing.wire.noun import show
from web.admin.blueprint import address, blp
from web.admin.desk import Desk, Operator
from web.admin.forms import Box, Done, Form, change
from web.admin.frame import framed, part, query_of
from web.admin.gate import changing, looking, polling
from web.admin.lists import ROWS, listed
from web.pages import answer, see_other, tag_of, unchanged

_STAGES = (RunStatus.OPENED, RunStatus.INVOICING, RunStatus.FINALIZING, RunStatus.COMPLETED)
_DRY, _REAL = "dry", "real"


@blp.get("/runs")
@looking
def list_runs(desk: Desk) -> Response:
    """Runs, the newest first."""
    query = query_of("after")
    statement = select(BillingRun)
    found = listed(desk, statement, query, noun=RUN, by=[BillingRun.id], kind=BY_ID, path=["runs"], newest_first=True)
    return framed(desk, "runs", "runs", runs=found.rows, following=found.following)


@blp.get("/runs/<uuid:run_id>")
@looking
def show_run(desk: Desk, run_id: UUID) -> Response:
    """How far a run is, what it changed, and what it could not bill."""
    query_of()
    context = _run(desk, run_id)
    return framed(desk, "runs", "run", live_tag=tag_of(*sorted(context.items())), **context)


@blp.get("/runs/<uuid:run_id>/live")
@polling
def show_living_run(desk: Desk, run_id: UUID) -> Response:
    """The part of the page that moves; 304 while it does not."""
    query_of()
    context = _run(desk, run_id)
    tag = tag_of(*sorted(context.items()))
    same = unchanged(tag)
    if same is not None:
        return same
    response = answer(part(desk, "run_live", **context))
    response.headers["ETag"] = tag
    return response


@blp.post("/runs/<uuid:run_id>/make-real")
@changing
def make_real(operator: Operator, run_id: UUID) -> Response:
    """Run what a dry run showed; refused if it would charge anything else by now."""
    here = state()
    with read_only(here.engine) as session:
        rehearsed = get_run(session, run_id)
        shown = RunRequest(as_of=rehearsed.as_of, subscription_id=rehearsed.subscription_id)
    if rehearsed.digest is None or not rehearsed.dry_run or rehearsed.kind != RunKind.BILLING:
        raise Conflict("this is no dry run of billing that is completed")
    grace, within = timedelta(seconds=here.settings.grace_seconds), here.settings.adjust_within
    request = expect(here.engine, shown, rehearsed.digest, grace=grace, now=operator.now, adjust_within=within)
    with transaction(here.engine) as session:
        run = open_run(session, request, requested_by=operator.actor, now=operator.now)
    enqueue.start_run(run.id)
    return see_other(address("runs", run.id))


def _run(desk: Desk, run_id: UUID) -> dict[str, Any]:
    run = get_run(desk.session, run_id)
    done, slices = count_slices(desk.session, run_id)
    shape = show(RUN, run)
    place = _STAGES.index(RunStatus(run.status)) if run.status != RunStatus.FAILED else -1
    return {
        "run": shape,
        "place": place,
        "done": done,
        "slices": slices,
        "amounts": sorted(shape["amounts"].items()),
        "prepaid": sorted(shape["prepaidApplied"].items()),
        "warnings": shape["warnings"][:ROWS],
        "took": None if run.finished_at is None else int((run.finished_at - run.started_at).total_seconds()),
        "can_be_real": run.dry_run and run.digest is not None and run.kind == RunKind.BILLING,
    }


def _new(_: Session) -> Form:
    return Form(
        title="Run billing",
        says="Any number of runs, at any time, put the same charges on the same invoices. A worker does it.",
        verb="Start it",
        current="runs",
        back=address("runs"),
        boxes=[
            Box(
                name="kind",
                label="What",
                type="choice",
                choices=((_DRY, "a dry run: what would be charged, compared with the drafts"), (_REAL, "a real run")),
                value=_DRY,
            ),
            Box(name="asOf", label="Up to when", kind=TIME, required=False, help="Now, if empty."),
            Box(name="subscriptionId", label="Only this subscription", kind=IDENTIFIER, required=False),
        ],
    )


def _start(session: Session, operator: Operator, values: dict[str, Any]) -> Done:
    request = RunRequest(as_of=values["asOf"], subscription_id=values["subscriptionId"], dry_run=values["kind"] == _DRY)
    run = open_run(session, request, requested_by=operator.actor, now=operator.now)
    return Done(address("runs", run.id), later=partial(enqueue.start_run, run.id))


change("/runs/new", "start_run", _new, _start)
