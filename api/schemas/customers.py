"""Customers and their subscriptions on the wire."""

import marshmallow as ma

from api.schemas.base import Schema
from api.schemas.fields import Choice, Email, Flag, Identifier, Instant, Text
from api.schemas.moments import Moment
from api.schemas.paging import PageQuery
from usage_billing.subscriptions.lifecycle import ANNIVERSARY, CALENDAR
from usage_billing.subscriptions.moments import NOW

ANCHORS = (CALENDAR, ANNIVERSARY)


class NewCustomerSchema(Schema):
    """A customer as it is created; ``id`` is the ``userId`` of recordings."""

    id = Identifier(required=True)
    name = Text(required=True)
    email = Email(allow_none=True, load_default=None)


class CustomerChangesSchema(Schema):
    """What may change of a customer."""

    name = Text()
    email = Email(allow_none=True)


class CustomerSchema(Schema):
    """A customer."""

    id = Identifier(required=True)
    name = Text(required=True)
    email = Email(allow_none=True, required=True)
    created_at = Instant(required=True)


class NewSubscriptionSchema(Schema):
    """A subscription as it is created.

    Its periods are those of the plan, in ``timezone``: aligned to the calendar, or to the ``anniversary`` of
    ``startedAt``.
    """

    id = Identifier(required=True)
    customer_id = Identifier(data_key="userId", required=True)
    plan_id = Identifier(required=True)
    started_at = Instant(required=True)
    timezone = Text(maximum=64, load_default="UTC")
    anchor = Choice(*ANCHORS, load_default=CALENDAR)


class SubscriptionChangesSchema(Schema):
    """The end of a subscription: from then on its usage is quarantined."""

    ended_at = Instant(required=True)


class SubscriptionsQuery(PageQuery):
    """Which subscriptions."""

    customer_id = Identifier(data_key="userId", load_default=None)


class ChangePlanSchema(Schema):
    """The plan to move to, in the same currency, and when; the period under way is divided at that moment."""

    plan_id = Identifier(required=True)
    at = Moment(load_default=NOW)


class ChangeSchema(Schema):
    """When it takes effect."""

    at = Moment(load_default=NOW)
    body_optional = True


class TermSchema(Schema):
    """A span of a subscription on one plan, or paused; ``endsAt`` is exclusive, null for ever."""

    plan_id = Identifier(required=True)
    starts_at = Instant(required=True)
    ends_at = Instant(allow_none=True, required=True)
    paused = Flag(required=True)


class SubscriptionSchema(Schema):
    """A customer on a plan; ``endedAt`` is exclusive. ``planId`` is the plan of the last of its ``terms``."""

    id = Identifier(required=True)
    customer_id = Identifier(data_key="userId", required=True)
    plan_id = Identifier(required=True)
    started_at = Instant(required=True)
    ended_at = Instant(allow_none=True, required=True)
    timezone = Text(maximum=64, required=True)
    anchor = Choice(*ANCHORS, required=True)
    created_at = Instant(required=True)
    terms = ma.fields.List(ma.fields.Nested(TermSchema), required=True)
