"""Plans, usage types and quotas on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import REQUIRED, Coded, Schema
from api.schemas.fields import Amount, Choice, Identifier, Instant, Mapping, Prefabricated, Quantity, Text, Whole
from api.schemas.paging import PageQuery
from usage_billing.core.decimals import MAX_PRICE
from usage_billing.rating.pricing import MODELS

_PRICE = {
    "type": "object",
    "description": 'A pricing model and its fields: {"model": "per_unit", "unitPrice": "10.00"}',
    "required": ["model"],
    "properties": {"model": {"type": "string", "enum": sorted(MODELS)}},
}


class NewPlanSchema(Schema):
    """A plan as it is created; only the calendar month is offered for now."""

    id = Identifier(required=True)
    name = Text(required=True)
    currency = Text(maximum=3, required=True)
    interval = Text(maximum=16, load_default="month")
    interval_count = Whole(minimum=1, maximum=1000, load_default=1)


class PlanChangesSchema(Schema):
    """What may change of a plan: its name. Currency and interval are part of what was agreed."""

    name = Text(required=True)


class PlanSchema(Schema):
    """A plan."""

    id = Identifier(required=True)
    name = Text(required=True)
    currency = Prefabricated({"type": "string", "pattern": "^[A-Z]{3}$"}, required=True)
    interval = Choice("month", required=True)
    interval_count = Whole(required=True)
    created_at = Instant(required=True)


class NewUsageTypeSchema(Schema):
    """A usage type as it is created."""

    id = Identifier(required=True)
    unit_name = Text(maximum=64, required=True)
    aggregation = Text(maximum=16, load_default="sum")


class UsageTypeChangesSchema(Schema):
    """What may change of a usage type: the name of its unit."""

    unit_name = Text(maximum=64, required=True)


class UsageTypeSchema(Schema):
    """What is counted."""

    id = Identifier(required=True)
    unit_name = Text(maximum=64, required=True)
    aggregation = Choice("sum", required=True)
    created_at = Instant(required=True)


class NewQuotaSchema(Schema):
    """A quota, or its next version: periods that begin from now on follow it.

    ``monthlyLimit`` null never charges, 0 charges from the first unit. Give ``unitPrice`` or ``price``.
    """

    plan_id = Identifier(required=True)
    usage_type = Identifier(required=True)
    limit = Amount(data_key="monthlyLimit", allow_none=True, required=True)
    unit_price = Amount(maximum=MAX_PRICE)
    price = Mapping()
    unit_name = Text(maximum=64, load_default=None)

    @ma.validates_schema
    def one_price(self, data: dict[str, Any], **_: Any) -> None:
        """Either way to say what a unit costs, not both."""
        if "unit_price" in data and "price" in data:
            message = Coded("give unitPrice or price, not both", "contradiction")
            raise ma.ValidationError({"price": [message]})
        if "unit_price" not in data and "price" not in data:
            raise ma.ValidationError({"unitPrice": [REQUIRED]})


class QuotasQuery(PageQuery):
    """Which quotas."""

    plan_id = Identifier(load_default=None)


class QuotaSchema(Schema):
    """A version of a quota: for a plan and a usage type, the allowance per period and the price beyond it."""

    id = Whole(required=True, maximum=2**63 - 1)
    plan_id = Identifier(required=True)
    usage_type_id = Identifier(data_key="usageType", required=True)
    version = Whole(required=True)
    monthly_limit = Quantity(allow_none=True, required=True)
    unit_price = ma.fields.Function(lambda quota: quota.price.get("unitPrice"), metadata={"type": ["string", "null"]})
    price = Prefabricated(_PRICE, required=True)
    unit_name = Text(maximum=64, required=True)
    effective_from = Instant(required=True)
    effective_until = Instant(allow_none=True, required=True)
    created_at = Instant(required=True)
