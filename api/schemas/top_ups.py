"""Top-ups of wallets on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import Schema, ValueSchema
from api.schemas.fields import Amount, Choice, CurrencyCode, Identifier, Instant, Text, Whole
from usage_billing.core.decimals import MAX_PRICE
from usage_billing.core.limits import MAX_COUNT
from usage_billing.flows.administration.pay_top_up import Payment
from usage_billing.flows.prepaid.manage_top_ups import MAX_COOLDOWN, NewRule
from usage_billing.prepaid.topping_up import SPANS


class AtMostSchema(Schema):
    """How often a wallet may ask: so many times within the last hour, day, week or 30 days (``month``)."""

    count = Whole(minimum=1, maximum=MAX_COUNT, required=True)
    per = Choice(*SPANS, required=True)


class NewRuleSchema(ValueSchema):
    """When a wallet asks for more, and for what: an ``amount``, what brings it ``upTo``, or a package of its units."""

    builds = NewRule

    below = Amount(positive=True, required=True)
    amount = Amount(positive=True, allow_none=True, load_default=None)
    up_to = Amount(positive=True, allow_none=True, load_default=None)
    package_id = Identifier(allow_none=True, load_default=None)
    at_most = ma.fields.Nested(AtMostSchema, allow_none=True, load_default=None)
    cooldown_seconds = Whole(maximum=MAX_COOLDOWN, load_default=0)

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        most = data.pop("at_most") or {"count": None, "per": None}
        return {**data, "most_count": most["count"], "most_per": most["per"]}


class PaidSchema(ValueSchema):
    """That a top-up was paid. ``cost`` is needed for units; money costs its amount unless said, a package its price."""

    builds = Payment

    cost = Amount(maximum=MAX_PRICE, positive=True, allow_none=True, load_default=None)
    cost_currency = CurrencyCode(allow_none=True, load_default=None)
    reference = Text(allow_none=True, load_default=None)
    expires_at = Instant(allow_none=True, load_default=None)
    body_optional = True


class FailedSchema(Schema):
    """Why a top-up was not paid."""

    reason = Text(allow_none=True, load_default=None)
    body_optional = True
