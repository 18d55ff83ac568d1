"""Usage types: what is counted, as it is recorded or by meters."""

from typing import Any

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.locations import makes
from api.pagination import BY_NAME, filters_of, listed
from api.schemas.paging import PagedSpanQuery
from api.schemas.usage_types import EvaluationSchema, NewUsageTypeSchema, SkippedQuery, UsageTypeChangesSchema
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named, usage_types_where
from usage_billing.catalog.service import NewUsageType
from usage_billing.db.session import read_only
from usage_billing.flows.administration import manage_meters
from usage_billing.flows.administration.manage_meters import UsageTypeChanges
from usage_billing.meters.asked import NewMeter
from usage_billing.meters.progress import FoldState
from usage_billing.reports.evaluations import EvaluationRequest, evaluate, skipped
from usage_billing.reports.usage_types import (
    UsageTypeView,
    definition_views,
    fold_state,
    usage_type_view,
    usage_type_views,
)
from usage_billing.wire.noun import page_of
from usage_billing.wire.usage_type import EVALUATIONS, FOLDING, METER_DEFINITIONS, USAGE_TYPE

blp = Blueprint("usage types", __name__, url_prefix="/api/usage-types", description="What is counted.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewUsageTypeSchema)
@blp.response(201, USAGE_TYPE)
@makes("/api/usage-types")
@tagged
def create_usage_type(new: NewUsageType | NewMeter) -> UsageTypeView:
    """Create a usage type, or a meter that counts the recordings of one."""
    with writing() as session:
        made = manage_meters.create(session, new, actor=caller().actor, now=state().clock())
        return usage_type_view(session, made)


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(PagedSpanQuery, location="query")
@blp.response(200, page_of(USAGE_TYPE))
def list_usage_types(query: dict[str, Any]) -> dict[str, Any]:
    """List usage types by id; `from` and `to` are of `createdAt`."""
    statement = usage_types_where(**filters_of(query))
    with read_only(state().engine) as session:
        return listed(
            session,
            statement,
            query,
            noun=USAGE_TYPE,
            by=[UsageType.id],
            kind=BY_NAME,
            viewed=lambda rows: usage_type_views(session, rows),
        )


@blp.route("/evaluate", methods=["POST"])
@requires(ADMIN)
@blp.arguments(EvaluationSchema)
@blp.response(200, EVALUATIONS)
def evaluate_definition(asked: EvaluationRequest) -> dict[str, Any]:
    """Say what a definition would make of metadata, or of a subscription's last recordings; nothing is stored."""
    with read_only(state().engine) as session:
        return {"data": evaluate(session, asked)}


@blp.route("/<identifier:usage_type_id>", methods=["GET"])
@requires(ADMIN)
@blp.response(200, USAGE_TYPE)
@tagged
def show_usage_type(usage_type_id: str) -> UsageTypeView:
    """Show a usage type with its latest definition."""
    with read_only(state().engine) as session:
        return usage_type_view(session, get_named(session, UsageType, usage_type_id))


@blp.route("/<identifier:usage_type_id>/folding", methods=["GET"])
@requires(ADMIN)
@blp.response(200, FOLDING)
def show_folding(usage_type_id: str) -> FoldState:
    """Show how far a meter is: what it has not counted yet, and what it could not count."""
    with read_only(state().engine) as session:
        return fold_state(session, usage_type_id)


@blp.route("/<identifier:usage_type_id>/definitions", methods=["GET"])
@requires(ADMIN)
@blp.response(200, METER_DEFINITIONS)
def list_definitions(usage_type_id: str) -> dict[str, Any]:
    """List the definitions of a meter, or how a usage type makes quantities, the latest first."""
    with read_only(state().engine) as session:
        return {"data": definition_views(session, usage_type_id)}


@blp.route("/<identifier:usage_type_id>/skipped", methods=["GET"])
@requires(ADMIN)
@blp.arguments(SkippedQuery, location="query")
@blp.response(200, EVALUATIONS)
def list_skipped(query: dict[str, Any], usage_type_id: str) -> dict[str, Any]:
    """List recordings that have no value for a meter, and why; those of the latest periods first."""
    with read_only(state().engine) as session:
        return {"data": skipped(session, usage_type_id, limit=query["limit"])}


@blp.route("/<identifier:usage_type_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(UsageTypeChangesSchema)
@blp.response(200, USAGE_TYPE)
@tagged
@takes_if_match
def change_usage_type(changes: UsageTypeChanges, usage_type_id: str) -> UsageTypeView:
    """Rename the unit of a usage type, or define anew what a meter counts or what makes a quantity."""
    with writing() as session:
        check_match(
            USAGE_TYPE,
            lambda: usage_type_view(session, get_named(session, UsageType, usage_type_id, lock=True)),
        )
        changed = manage_meters.change(session, usage_type_id, changes, actor=caller().actor, now=state().clock())
        return usage_type_view(session, changed)


@blp.route("/<identifier:usage_type_id>/retire", methods=["POST"])
@requires(ADMIN)
@blp.response(200, USAGE_TYPE)
@tagged
def retire_meter(usage_type_id: str) -> UsageTypeView:
    """Let a meter count nothing that is recorded from now on; what it has counted stays, and is charged."""
    with writing() as session:
        manage_meters.retire_meter(session, usage_type_id, actor=caller().actor, now=state().clock())
        return usage_type_view(session, get_named(session, UsageType, usage_type_id))
