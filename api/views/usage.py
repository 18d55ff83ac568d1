"""Usage: used, allowed, left, beyond, and what that would cost."""

from collections.abc import Sequence
from typing import Any

from api.arguments import Blueprint
from api.auth import caller, requires
from api.fitted import fitted
from api.pagination import BY_NUMBER, read_cursor
from api.schemas.paging import UsageQuery
from api.state import state
from usage_billing.access.principal import USAGE_READ
from usage_billing.core.errors import NotFound
from usage_billing.core.spans import Span
from usage_billing.flows.folding.drive_reads import counted
from usage_billing.reports.usage import UsageLine, usage_of_customer, usage_under
from usage_billing.reports.usage_page import page_of_lines
from usage_billing.subscriptions.queries import get_contract
from usage_billing.wire.usage import SUBSCRIPTION_USAGE, USAGE_LINE, USER_USAGE

blp = Blueprint("usage", __name__, url_prefix="/api/usage", description="What was used, and what is left.")


@blp.route("/user/<identifier:customer_id>", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(UsageQuery, location="query")
@blp.response(200, USER_USAGE)
def show_user_usage(query: dict[str, Any], customer_id: str) -> dict[str, Any]:
    """Show what a user used, by subscription and usage type, in the present period or in those of a span."""
    if not caller().may_see(customer_id):
        raise NotFound(f"there is no customer {customer_id}")
    with counted(state().engine, customer_id=customer_id) as (session, behind):
        lines = usage_of_customer(session, customer_id, now=state().clock(), span=_span(query))
    return {"customer_id": customer_id, "behind": behind, "page": _page(lines, query)}


@blp.route("/subscription/<identifier:subscription_id>", methods=["GET"])
@requires(USAGE_READ, users=True)
@blp.arguments(UsageQuery, location="query")
@blp.response(200, SUBSCRIPTION_USAGE)
def show_subscription_usage(query: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """Show what was used under a subscription, by usage type, in the present period or in those of a span."""
    with counted(state().engine, subscription_id=subscription_id) as (session, behind):
        agreed = get_contract(session, subscription_id)
        if not caller().may_see(agreed.customer_id):
            raise NotFound(f"there is no subscription {subscription_id}")
        now = state().clock()
        lines = usage_under(session, [agreed], now=now, span=_span(query))
    plan_id = agreed.timeline.plan_at(now)
    shown = {"subscription_id": agreed.id, "customer_id": agreed.customer_id, "plan_id": plan_id, "behind": behind}
    return shown | {"page": _page(lines, query)}


def _page(lines: Sequence[UsageLine], query: dict[str, Any]) -> dict[str, Any]:
    (after,) = read_cursor(query["cursor"], BY_NUMBER) or (0,)
    page = page_of_lines(lines, after=after)
    positions = [(after + count + 1,) for count in range(len(page.lines))]
    fitting, following = fitted(USAGE_LINE, page.lines, positions=positions, last=page.next)
    return {"lines": fitting, "next": following, "totals": page.totals}


def _span(query: dict[str, Any]) -> Span | None:
    start, end = query["start"], query["end"]
    if start is None and end is None:
        return None
    return Span(start=start, end=end)
