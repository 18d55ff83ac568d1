"""Customers and their subscriptions on the wire."""

from api.schemas.base import Schema
from api.schemas.fields import Choice, Email, Identifier, Instant, Text
from api.schemas.paging import PageQuery


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
    """A subscription as it is created; its periods are calendar months in ``timezone``."""

    id = Identifier(required=True)
    customer_id = Identifier(data_key="userId", required=True)
    plan_id = Identifier(required=True)
    started_at = Instant(required=True)
    timezone = Text(maximum=64, load_default="UTC")
    anchor = Choice("calendar", load_default="calendar")


class SubscriptionChangesSchema(Schema):
    """The end of a subscription: from then on its usage is quarantined."""

    ended_at = Instant(required=True)


class SubscriptionsQuery(PageQuery):
    """Which subscriptions."""

    customer_id = Identifier(data_key="userId", load_default=None)


class SubscriptionSchema(Schema):
    """A customer on a plan; ``endedAt`` is exclusive."""

    id = Identifier(required=True)
    customer_id = Identifier(data_key="userId", required=True)
    plan_id = Identifier(required=True)
    started_at = Instant(required=True)
    ended_at = Instant(allow_none=True, required=True)
    timezone = Text(maximum=64, required=True)
    anchor = Choice("calendar", required=True)
    created_at = Instant(required=True)
