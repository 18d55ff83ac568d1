"""Plans: their list, and one with the versions of its base fee and of its quotas, each beside the one before."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import Response

from api.pagination import BY_NAME
from usage_billing.catalog.models import Plan, UsageQuota
from usage_billing.catalog.queries import get_named, plans_where, quotas_where
from usage_billing.reports.plan_versions import plan_view, plan_views, versions_of_plan
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.plan import PLAN, PLAN_VERSION
from usage_billing.wire.quota import QUOTA
from web.admin.blueprint import blp
from web.admin.desk import Desk
from web.admin.frame import framed, query_of
from web.admin.gate import looking
from web.admin.history import last_of
from web.admin.lists import ROWS, listed
from web.admin.versions import side_by_side

_FEE = ("baseFee", "baseFeeTiming")
_QUOTA = ("monthlyLimit", "price", "unitName")


@blp.get("/plans")
@looking
def list_plans(desk: Desk) -> Response:
    """Plans by id."""
    query = query_of("after")
    found = listed(
        desk,
        plans_where(),
        query,
        noun=PLAN,
        by=[Plan.id],
        kind=BY_NAME,
        path=["plans"],
        viewed=partial(plan_views, desk.session, now=desk.now),
    )
    return framed(desk, "plans", "plans", plans=found.rows, following=found.following)


@blp.get("/plans/<identifier:plan_id>")
@looking
def show_plan(desk: Desk, plan_id: str) -> Response:
    """A plan with its versions side by side; up to a hundred versions of its quotas, the newest."""
    query_of()
    plan = get_named(desk.session, Plan, plan_id)
    fees = [show(PLAN_VERSION, one) for one in versions_of_plan(desk.session, plan_id)]
    own = UsageQuota.subscription_id.is_(None)
    statement = quotas_where(plan_id=plan_id).where(own).order_by(UsageQuota.id.desc()).limit(ROWS)
    return framed(
        desk,
        "plans",
        "plan",
        plan=show(PLAN, plan_view(desk.session, plan, now=desk.now)),
        fees=side_by_side(fees, _FEE),
        quotas=quotas_of([show(QUOTA, row) for row in desk.session.scalars(statement)][::-1]),
        history=last_of(desk, [f"plan:{plan_id}"]),
    )


def quotas_of(versions: Sequence[Shape]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Versions of quotas, the oldest first, by usage type: each beside the one before, the newest first."""
    types: dict[str, list[Shape]] = {}
    for one in versions:
        types.setdefault(one["usageType"], []).append(one)
    return [(name, side_by_side(found, _QUOTA)) for name, found in sorted(types.items())]
