"""Quotas: for a plan and a usage type, the allowance and the price beyond it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from flask import Response
from sqlalchemy import select

from api.arguments import Blueprint
from api.auth import caller, requires
from api.json_provider import json_response
from api.locations import makes
from api.pagination import BY_NUMBER, filters_of, listed
from api.rehearsals import precaution, rehearsed
from api.schemas.catalog import AskedEnd, AskedQuota, EndQuotaSchema, NewQuotaSchema, QuotasQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.queries import get_quota, quotas_where
from usage_billing.catalog.service import NewQuota
from usage_billing.core.errors import NotFound
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.db.session import read_only
from usage_billing.flows.administration import define_quota as flow
from usage_billing.flows.administration.agree import AgreedChange
from usage_billing.flows.administration.own_quotas import end_own_quota, foresee_end, foresee_own
from usage_billing.flows.administration.plan_quotas import DefinedQuota, rehearse_for_plan
from usage_billing.flows.folding.drive_reads import foreseeing
from usage_billing.reports.subscriptions import changed_view
from usage_billing.subscriptions.queries import prices_seen_by
from usage_billing.wire.billing_run import STARTED_RUN
from usage_billing.wire.noun import page_of, show
from usage_billing.wire.quota import DEFINED_QUOTA, QUOTA
from usage_billing.wire.subscription import CHANGED_SUBSCRIPTION

_ENDED = {
    "description": "The quota; of a dry run the subscription as it stands.",
    "content": {
        "application/json": {
            "schema": {"anyOf": [{"$ref": f"#/components/schemas/{one.name}"} for one in (QUOTA, CHANGED_SUBSCRIPTION)]}
        }
    },
}

blp = Blueprint("quotas", __name__, url_prefix="/api/quotas", description="Allowances, and the price beyond them.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewQuotaSchema)
@blp.response(201, DEFINED_QUOTA)
@blp.alt_response(200, noun=CHANGED_SUBSCRIPTION, description="Of a dry run: the subscription as it stands.")
@blp.alt_response(202, noun=STARTED_RUN, description="Of a dry run of a plan's quota: the run that looks.")
@makes("/api/billing-runs", named="runId", statuses=[202])
@makes("/api/quotas", statuses=[201])
def define_quota(asked: AskedQuota) -> DefinedQuota | Response:
    """Define a quota, or its next version; recorded usage becomes dearer only where that is said to be meant."""
    careful, now = precaution(dry_run=asked.dry_run, expected_digest=asked.expected_digest), state().clock()
    new, actor = _closing(asked.new), caller().actor
    if careful.dry_run and new.subscription_id is not None:
        return _looked(
            new.subscription_id, partial(foresee_own, new=new, owner=new.subscription_id, precaution=careful)
        )
    if careful.dry_run:
        return rehearsed(partial(rehearse_for_plan, new=new, actor=actor, now=now))
    with writing() as session:
        return flow.define_quota(session, new, actor=actor, now=now, precaution=careful)


@blp.route("", methods=["GET"])
@requires(ADMIN, users=True)
@blp.arguments(QuotasQuery, location="query")
@blp.response(200, page_of(QUOTA))
def list_quotas(query: dict[str, Any]) -> dict[str, Any]:
    """List versions of quotas, oldest first: all of them unless the query chooses. A user sees those of its plans."""
    with read_only(state().engine) as session:
        statement = prices_seen_by(quotas_where(**filters_of(query)), caller().customer_id)
        return listed(session, statement, query, noun=QUOTA, by=[UsageQuota.id], kind=BY_NUMBER)


@blp.route(f"/<int(max={MAX_BIGINT}):quota_id>", methods=["GET"])
@requires(ADMIN, users=True)
@blp.response(200, QUOTA)
def show_quota(quota_id: int) -> UsageQuota:
    """Show one version of a quota. A user sees those of its plans."""
    with read_only(state().engine) as session:
        statement = prices_seen_by(select(UsageQuota).where(UsageQuota.id == quota_id), caller().customer_id)
        found = session.scalars(statement).first()
    if found is None:
        raise NotFound(f"there is no quota {quota_id}")
    return found


@blp.route(f"/<int(max={MAX_BIGINT}):quota_id>", methods=["DELETE"])
@requires(ADMIN)
@blp.arguments(EndQuotaSchema, required=False)
@blp.doc(responses={"200": _ENDED})
def end_quota(asked: AskedEnd, quota_id: int) -> Response:
    """End a quota of a subscription's own, with the next period unless `effective` says otherwise."""
    careful = precaution(dry_run=asked.dry_run, expected_digest=asked.expected_digest)
    end = partial(end_own_quota, quota_id=quota_id, effective=asked.effective, reprice_usage=asked.reprice_usage)
    if careful.dry_run:
        with read_only(state().engine) as session:
            owner = get_quota(session, quota_id).subscription_id or ""
        return _looked(owner, partial(foresee_end, *end.args, **end.keywords, precaution=careful))
    with writing() as session:
        return json_response(show(QUOTA, end(session, actor=caller().actor, now=state().clock(), precaution=careful)))


def _closing(new: NewQuota) -> NewQuota:
    """The quota with the grace time for what it carries over."""
    if new.rollover is None:
        return new
    return replace(new, rollover=replace(new.rollover, grace_seconds=state().settings.grace_seconds))


def _looked(subscription_id: str, look: Callable[..., AgreedChange]) -> Response:
    """The answer of a dry run."""
    now = state().clock()
    with foreseeing(state().engine, subscription_id) as session:
        view = changed_view(session, look(session, now=now), now=now)
    return json_response(show(CHANGED_SUBSCRIPTION, view))
