"""Usage types and meters: their list, and one with its definitions, how far it is, and what it could not count."""

from functools import partial

from flask import Response

from api.pagination import BY_NAME
from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import get_named, usage_types_where
from usage_billing.reports.evaluations import skipped
from usage_billing.reports.usage_types import definition_views, fold_state, usage_type_view, usage_type_views
from usage_billing.wire.noun import show
from usage_billing.wire.usage_type import EVALUATION, FOLDING, METER_DEFINITION, USAGE_TYPE
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import listed
from web.admin.versions import side_by_side

_FEW = 20
_FIELDS = ("value", "where", "dimensions", "seriesLimit", "quantityFrom")


@blp.get("/usage-types")
@looking
def list_usage_types(desk: Desk) -> Response:
    """Usage types and meters by id."""
    query = query_of("after")
    found = listed(
        desk,
        usage_types_where(),
        query,
        noun=USAGE_TYPE,
        by=[UsageType.id],
        kind=BY_NAME,
        path=["usage-types"],
        viewed=partial(usage_type_views, desk.session),
    )
    return framed(desk, "usage-types", "usage_types", types=found.rows, following=found.following)


@blp.get("/usage-types/<identifier:usage_type_id>")
@looking
def show_usage_type(desk: Desk, usage_type_id: str) -> Response:
    """One of them; of a meter how far it is behind, and recordings that have no value for it."""
    query_of()
    found = get_named(desk.session, UsageType, usage_type_id)
    versions = [show(METER_DEFINITION, one) for one in definition_views(desk.session, usage_type_id)]
    is_meter = found.of is not None
    without = skipped(desk.session, usage_type_id, limit=_FEW) if is_meter else []
    return framed(
        desk,
        "usage-types",
        "usage_type",
        one=show(USAGE_TYPE, usage_type_view(desk.session, found)),
        definitions=side_by_side(versions[::-1], _FIELDS),
        folding=show(FOLDING, fold_state(desk.session, usage_type_id)) if is_meter else None,
        skipped=[show(EVALUATION, one) for one in without],
        history=last_of(desk, [f"usage-type:{usage_type_id}"]),
    )
