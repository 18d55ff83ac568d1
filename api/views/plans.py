"""Plans: what is sold."""

from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.locations import makes
from api.pagination import BY_NAME, filters_of, listed
from api.rehearsals import precaution, rehearsed
from api.schemas.catalog import AskedPlanVersion, NewPlanSchema, NewPlanVersionSchema, PlanChangesSchema
from api.schemas.paging import PagedSpanQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.catalog.models import Plan, PlanVersion
from usage_billing.catalog.queries import get_named, plans_where
from usage_billing.catalog.service import NewPlan
from usage_billing.core.errors import NotFound
from usage_billing.db.session import read_only
from usage_billing.flows.administration import manage_catalog, plan_versions
from usage_billing.flows.administration.manage_catalog import PlanChanges
from usage_billing.reports.plan_versions import PlanView, plan_view, plan_views, versions_of_plan
from usage_billing.subscriptions.queries import plans_of_customer
from usage_billing.wire.billing_run import STARTED_RUN
from usage_billing.wire.noun import page_of
from usage_billing.wire.plan import PLAN, PLAN_VERSION, PLAN_VERSIONS

blp = Blueprint("plans", __name__, url_prefix="/api/plans", description="What is sold.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewPlanSchema)
@blp.response(201, PLAN)
@makes("/api/plans")
@tagged
def create_plan(new: NewPlan) -> PlanView:
    """Create a plan."""
    now = state().clock()
    with writing() as session:
        plan = manage_catalog.create_plan(session, new, actor=caller().actor, now=now)
        return plan_view(session, plan, now=now)


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(PagedSpanQuery, location="query")
@blp.response(200, page_of(PLAN))
def list_plans(query: dict[str, Any]) -> dict[str, Any]:
    """List plans by id; `from` and `to` are of `createdAt`."""
    with read_only(state().engine) as session:
        viewed = partial(plan_views, session, now=state().clock())
        statement = plans_where(**filters_of(query))
        return listed(session, statement, query, noun=PLAN, by=[Plan.id], kind=BY_NAME, viewed=viewed)


@blp.route("/<identifier:plan_id>", methods=["GET"])
@requires(ADMIN, users=True)
@blp.response(200, PLAN)
@tagged
def show_plan(plan_id: str) -> PlanView:
    """Show a plan. A user sees those that its subscriptions are, were or will be on."""
    with read_only(state().engine) as session:
        customer_id = caller().customer_id
        if customer_id is not None and plan_id not in plans_of_customer(session, customer_id):
            raise NotFound(f"there is no plan {plan_id}")
        return plan_view(session, get_named(session, Plan, plan_id), now=state().clock())


@blp.route("/<identifier:plan_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(PlanChangesSchema)
@blp.response(200, PLAN)
@tagged
@takes_if_match
def change_plan(changes: PlanChanges, plan_id: str) -> PlanView:
    """Rename a plan, change how its base fee is taxed, or whether its customers may set alerts."""
    now = state().clock()
    with writing() as session:
        check_match(PLAN, lambda: plan_view(session, get_named(session, Plan, plan_id, lock=True), now=now))
        plan = manage_catalog.change_plan(session, plan_id, changes, actor=caller().actor, now=now)
        return plan_view(session, plan, now=now)


@blp.route("/<identifier:plan_id>/versions", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewPlanVersionSchema)
@blp.response(201, PLAN_VERSION)
@blp.alt_response(202, noun=STARTED_RUN, description="Of a dry run: the run that looks.")
@makes("/api/billing-runs", named="runId", statuses=[202])
@makes("/api/plans/{plan_id}/versions", named=None, statuses=[201])
def define_plan_version(asked: AskedPlanVersion, plan_id: str) -> PlanVersion | Response:
    """Define the next version of a plan's base fee; fees become dearer for the past only where that is said."""
    new, actor, now = replace(asked.new, plan_id=plan_id), caller().actor, state().clock()
    careful = precaution(dry_run=asked.dry_run, expected_digest=asked.expected_digest)
    if careful.dry_run:
        return rehearsed(partial(plan_versions.rehearse_plan_version, new=new, actor=actor, now=now))
    with writing() as session:
        return plan_versions.define_plan_version(session, new, actor=actor, now=now, precaution=careful)


@blp.route("/<identifier:plan_id>/versions", methods=["GET"])
@requires(ADMIN)
@blp.response(200, PLAN_VERSIONS)
def list_plan_versions(plan_id: str) -> dict[str, Any]:
    """List the versions of a plan's base fee, that which it was made with first."""
    with read_only(state().engine) as session:
        return {"data": versions_of_plan(session, plan_id)}
