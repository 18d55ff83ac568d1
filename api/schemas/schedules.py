"""Schedules of grants on the wire."""

from typing import Any

import marshmallow as ma

from api.schemas.base import NOT_NULL, REQUIRED, Schema, ValueSchema
from api.schemas.fields import Amount, Choice, Flag, Identifier, Instant, Key, Text, Whole
from usage_billing.core.choices import INTERVALS
from usage_billing.core.limits import MAX_COUNT
from usage_billing.flows.prepaid.manage_schedules import Carrying, Interval, NewSchedule
from usage_billing.prepaid.burn_down import MAX_PRIORITY, USUAL_PRIORITY
from usage_billing.wallets.models import GrantCategory

_NEEDED: Any = {"required": REQUIRED, "null": NOT_NULL}
_NAMES: Any = {"minItems": 1, "uniqueItems": True}  # for the document; the flow checks it


class NewIntervalSchema(ValueSchema):
    """A span of time on the calendar."""

    builds = Interval

    interval = Choice(*INTERVALS, required=True)
    interval_count = Whole(minimum=1, maximum=MAX_COUNT, load_default=1)


class NewCarryingSchema(ValueSchema):
    """What of a grant is carried over to the next, and for how many occurrences."""

    builds = Carrying

    max = Amount(positive=True, allow_none=True, load_default=None)
    max_percent = Whole(minimum=1, maximum=100, allow_none=True, load_default=None)
    periods = Whole(minimum=1, maximum=MAX_COUNT, load_default=1)


class NewScheduleSchema(ValueSchema):
    """A grant that recurs; the ``idempotencyKey`` makes it once, for ever.

    With ``untilNext`` each grant holds until the next begins, with ``validity`` so long, and else for ever.
    """

    builds = NewSchedule

    amount = Amount(positive=True, required=True)
    idempotency_key = Key(required=True)
    every = ma.fields.Nested(NewIntervalSchema, required=True, error_messages=_NEEDED)
    anchor = Choice("anniversary", "calendar", load_default="anniversary")
    timezone = Text(maximum=64, allow_none=True, load_default=None)
    starts_at = Instant(allow_none=True, load_default=None)
    ends_at = Instant(allow_none=True, load_default=None)
    validity = ma.fields.Nested(NewIntervalSchema, allow_none=True, load_default=None)
    until_next = Flag(load_default=False)
    rollover = ma.fields.Nested(NewCarryingSchema, allow_none=True, load_default=None)
    category = Choice(GrantCategory.PROMOTIONAL, GrantCategory.ADJUSTMENT, allow_none=True, load_default=None)
    priority = Whole(maximum=MAX_PRIORITY, load_default=USUAL_PRIORITY)
    usage_types = ma.fields.List(Identifier(), allow_none=True, load_default=None, metadata=_NAMES)
    subscription_ids = ma.fields.List(Identifier(), allow_none=True, load_default=None, metadata=_NAMES)


class EndScheduleSchema(Schema):
    """When a schedule ends; now unless said."""

    at = Instant(allow_none=True, load_default=None)
    body_optional = True
