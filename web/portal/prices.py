"""What is agreed: the base fee, and for each usage type the allowance and the price beyond it; and a try of it."""

from decimal import Decimal
from typing import Any

from usage_billing.catalog.models import Plan, UsageQuota
from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.quotas import QuotaVersion
from usage_billing.core.decimals import MAX_QUANTITY, NotADecimal, parse_decimal, plain
from usage_billing.core.errors import InvalidInput
from usage_billing.rating.pricing.priced_cell import BY_DIMENSION
from usage_billing.reports.preview import Trial, preview
from usage_billing.subscriptions.agreement import agreed_period
from usage_billing.subscriptions.queries import Contract
from usage_billing.wire.noun import Shape, show
from usage_billing.wire.preview import PREVIEW
from usage_billing.wire.quota import QUOTA
from web.portal.visit import Visit
from web.wording import steps


def prices(visit: Visit, contract: Contract, query: dict[str, str]) -> dict[str, Any]:
    """The quotas in force, and what a quantity would cost by one of them, if one is asked for."""
    agreed = quotas_in_force(visit, contract)
    plan = visit.session.get(Plan, contract.timeline.plan_at(visit.now))
    tried = _tried(visit, agreed, contract, query=query)
    return {
        "plan": plan.name if plan else "",
        "currency": contract.currency,
        "quotas": agreed,
        "types": [(one["usageType"], one["usageType"]) for one in agreed],
        "type": query.get("type", ""),
        "quantity": query.get("quantity", ""),
        **tried,
    }


def quotas_in_force(visit: Visit, contract: Contract) -> list[Shape]:
    """The quotas that hold for the subscription now, as the API shows them, by usage type."""
    versions = versions_in_force(visit, contract).values()
    return [show(QUOTA, visit.session.get_one(UsageQuota, version.id)) for version in versions]


def versions_in_force(visit: Visit, contract: Contract) -> dict[str, QuotaVersion]:
    """By usage type, in order, the version of its quota that holds for the subscription now."""
    plans = {term.plan_id for term in contract.timeline.terms}
    book = quotas_of(visit.session, plans, subscription_ids=[contract.id])
    found = {}
    for usage_type in sorted(book.usage_types_of(contract.timeline.plan_at(visit.now), contract.id)):
        agreed = agreed_period(contract.timeline, book, contract.id, usage_type, visit.now)
        part = None if agreed is None else agreed.part_at(visit.now)
        if part is not None and part.quota is not None:
            found[usage_type] = part.quota
    return found


def _tried(visit: Visit, agreed: list[Shape], contract: Contract, *, query: dict[str, str]) -> dict[str, Any]:
    """What the quantity of the address would cost, with what of it is free; ``wrong`` says what is wrong with it."""
    nothing = {"preview": None, "wrong": "", "beyond": None}
    quota = next((one for one in agreed if one["usageType"] == query.get("type")), None)
    if quota is None or "quantity" not in query:
        return nothing
    try:
        quantity = parse_decimal(query["quantity"], maximum=MAX_QUANTITY)
    except NotADecimal:
        return nothing | {"wrong": "Write it as a plain number, for example 100000."}
    limit = quota["monthlyLimit"]
    beyond = Decimal(0) if limit is None else max(Decimal(0), quantity - Decimal(limit))
    more = nothing | {"wrong": "This price depends on more than a quantity, and cannot be tried here."}
    if quota["price"]["model"] == BY_DIMENSION:
        return more
    try:
        found = preview(Trial(price=quota["price"], currency=contract.currency, quantity=beyond))
    except InvalidInput:
        return more
    told = show(PREVIEW, found) | {"steps": steps(found.breakdown, visit.writer)}
    return nothing | {"preview": told, "beyond": plain(beyond)}
