"""Usage types: what is counted."""

from typing import Any

from api.arguments import Blueprint
from api.auth import caller, requires
from api.etags import check_match, tagged, takes_if_match
from api.locations import makes
from api.pagination import BY_NAME, filters_of, listed
from api.schemas.catalog import NewUsageTypeSchema, UsageTypeChangesSchema
from api.schemas.paging import PagedSpanQuery
from api.state import state
from api.transactions import writing
from usage_billing.access.principal import ADMIN
from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named, usage_types_where
from usage_billing.catalog.service import NewUsageType
from usage_billing.db.session import read_only
from usage_billing.flows.administration import manage_catalog
from usage_billing.wire.noun import page_of
from usage_billing.wire.usage_type import USAGE_TYPE

blp = Blueprint("usage types", __name__, url_prefix="/api/usage-types", description="What is counted.")


@blp.route("", methods=["POST"])
@requires(ADMIN)
@blp.arguments(NewUsageTypeSchema)
@blp.response(201, USAGE_TYPE)
@makes("/api/usage-types")
@tagged
def create_usage_type(new: NewUsageType) -> UsageType:
    """Create a usage type."""
    with writing() as session:
        return manage_catalog.create_usage_type(session, new, actor=caller().actor, now=state().clock())


@blp.route("", methods=["GET"])
@requires(ADMIN)
@blp.arguments(PagedSpanQuery, location="query")
@blp.response(200, page_of(USAGE_TYPE))
def list_usage_types(query: dict[str, Any]) -> dict[str, Any]:
    """List usage types by id; `from` and `to` are of `createdAt`."""
    with read_only(state().engine) as session:
        return listed(
            session, usage_types_where(**filters_of(query)), query, noun=USAGE_TYPE, by=[UsageType.id], kind=BY_NAME
        )


@blp.route("/<identifier:usage_type_id>", methods=["GET"])
@requires(ADMIN)
@blp.response(200, USAGE_TYPE)
@tagged
def show_usage_type(usage_type_id: str) -> UsageType:
    """Show a usage type."""
    with read_only(state().engine) as session:
        return get_named(session, UsageType, usage_type_id)


@blp.route("/<identifier:usage_type_id>", methods=["PATCH"])
@requires(ADMIN)
@blp.arguments(UsageTypeChangesSchema)
@blp.response(200, USAGE_TYPE)
@tagged
@takes_if_match
def change_usage_type(unit_name: str, usage_type_id: str) -> UsageType:
    """Rename the unit of a usage type."""
    with writing() as session:
        check_match(USAGE_TYPE, lambda: get_named(session, UsageType, usage_type_id, lock=True))
        return manage_catalog.change_usage_type(
            session, usage_type_id, unit_name=unit_name, actor=caller().actor, now=state().clock()
        )
