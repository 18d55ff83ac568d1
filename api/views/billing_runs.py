"""Billing runs: the daily chain, started by hand and watched."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select

from api import enqueue
from api.arguments import Blueprint
from api.auth import caller, requires
from api.locations import makes
from api.pagination import BY_ID, listed
from api.schemas.billing import ProcessBillingSchema
from api.schemas.paging import PageQuery
from api.state import state
from api.transactions import after_commit, writing
from usage_billing.access.principal import BILLING_RUN
from usage_billing.billing_runs.models import BillingRun
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.billing.drive_rehearsal import expect
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.wire.billing_run import RUN, STARTED_RUN
from usage_billing.wire.noun import page_of

blp = Blueprint("billing", __name__, url_prefix="/api", description="The daily chain.")


@blp.route("/usage/process-billing", methods=["POST"])
@requires(BILLING_RUN)
@blp.arguments(ProcessBillingSchema, required=False)
@blp.response(202, STARTED_RUN)
@makes("/api/billing-runs", named="runId")
def process_billing(request: RunRequest) -> BillingRun:
    """Start a billing run. Any number of them, at any time, put the same charges on the same invoices."""
    digest, now = request.expected_digest, state().clock()
    if digest is not None:
        settings = state().settings
        grace, adjust_within = timedelta(seconds=settings.grace_seconds), settings.adjust_within
        request = expect(state().engine, request, digest, grace=grace, now=now, adjust_within=adjust_within)
    with writing() as session:
        run = open_run(session, request, requested_by=caller().actor, now=now)
    after_commit(partial(enqueue.start_run, run.id))
    return run


@blp.route("/billing-runs", methods=["GET"])
@requires(BILLING_RUN)
@blp.arguments(PageQuery, location="query")
@blp.response(200, page_of(RUN))
def list_billing_runs(query: dict[str, Any]) -> dict[str, Any]:
    """List billing runs, newest first."""
    with read_only(state().engine) as session:
        return listed(session, select(BillingRun), query, noun=RUN, by=[BillingRun.id], kind=BY_ID, newest_first=True)


@blp.route("/billing-runs/<uuid:run_id>", methods=["GET"])
@requires(BILLING_RUN)
@blp.response(200, RUN)
def show_billing_run(run_id: UUID) -> BillingRun:
    """Show how far a run is, and what came out of it."""
    with read_only(state().engine) as session:
        found = session.get(BillingRun, run_id)
    if found is None:
        raise NotFound(f"there is no billing run {run_id}")
    return found
