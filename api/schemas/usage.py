"""Used, allowed, left, beyond: the answers about usage."""

from typing import Any

import marshmallow as ma

from api.schemas.base import Coded, Schema
from api.schemas.fields import Flag, Identifier, Instant, Money, Prefabricated, Quantity, Text
from api.schemas.paging import PageQuery


class SpanQuery(Schema):
    """All periods that overlap ``from`` to ``to`` (exclusive); without them the present one."""

    start = Instant(data_key="from", load_default=None)
    end = Instant(data_key="to", load_default=None)

    @ma.validates_schema
    def ends_after_it_starts(self, data: dict[str, Any], **_: Any) -> None:
        """A span of no or negative length is a mistake."""
        start, end = data.get("start"), data.get("end")
        if start is not None and end is not None and end <= start:
            raise ma.ValidationError({"to": [Coded("must be after from", "out_of_range")]})


class RecordsQuery(SpanQuery, PageQuery):
    """Which recordings: of one usage type, and occurred from ``from`` to ``to`` (exclusive)."""

    usage_type = Identifier(load_default=None)


class UsageLineSchema(Schema):
    """One usage type of one subscription in one period. ``limit`` and ``remaining`` null: unlimited."""

    subscription_id = Identifier(required=True)
    usage_type = Identifier(required=True)
    unit_name = Text(required=True)
    has_quota = Flag(required=True)
    used = Quantity(required=True)
    limit = Quantity(allow_none=True, required=True)
    remaining = Quantity(allow_none=True, required=True)
    overage = Quantity(required=True)
    estimated_charge = Money(required=True)
    currency = Prefabricated({"type": "string", "pattern": "^[A-Z]{3}$"}, required=True)
    period_start = Instant(required=True)
    period_end = Instant(required=True)


class UserUsageSchema(Schema):
    """Everything that a customer used."""

    customer_id = Identifier(data_key="userId", required=True)
    lines = ma.fields.List(ma.fields.Nested(UsageLineSchema), data_key="usage", required=True)


class SubscriptionUsageSchema(Schema):
    """Everything that was used under a subscription."""

    subscription_id = Identifier(required=True)
    customer_id = Identifier(data_key="userId", required=True)
    plan_id = Identifier(required=True)
    lines = ma.fields.List(ma.fields.Nested(UsageLineSchema), data_key="usage", required=True)
