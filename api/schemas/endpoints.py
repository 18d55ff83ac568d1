"""Endpoints on the wire."""

from datetime import timedelta
from typing import Any

import marshmallow as ma

from api.schemas.base import NOT_NULL, REQUIRED, Schema, ValueSchema
from api.schemas.events import EventTypeName
from api.schemas.fields import Choice, Flag, Identifier, Instant, NewIdentifier, Text, Whole
from api.schemas.paging import PageQuery
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint
from usage_billing.flows.delivering.send_again import Span
from usage_billing.wire.endpoint import MAX_URL, STATES
from usage_billing.wire.event import VERSION, VERSIONS

_NEEDED: Any = {"required": REQUIRED, "null": NOT_NULL}
_NAMES: Any = {"minItems": 1, "uniqueItems": True}  # for the document; the flow checks it
_WEEK = int(timedelta(days=7).total_seconds())
_MAX_RATE = 1000


def _types(**options: Any) -> Any:
    return ma.fields.List(EventTypeName(), error_messages=_NEEDED, metadata=_NAMES, **options)


class NewEndpointSchema(ValueSchema):
    """An endpoint as it is made. Without ``secret`` the service makes one."""

    builds = NewEndpoint

    id = NewIdentifier(allow_none=True, load_default=None)
    url = Text(maximum=MAX_URL, required=True)
    types = _types(required=True)
    customer_id = Identifier(data_key="userId", allow_none=True, load_default=None)
    version = Choice(*VERSIONS, load_default=VERSION)
    ordered = Flag(load_default=False)
    rate_per_second = Whole(minimum=1, maximum=_MAX_RATE, allow_none=True, load_default=None)
    description = Text(allow_none=True, load_default=None)
    secret = Text(allow_none=True, load_default=None)


class ChangedEndpointSchema(Schema):
    """What changes of an endpoint; the rest stays."""

    url = Text(maximum=MAX_URL)
    types = _types()
    customer_id = Identifier(data_key="userId", allow_none=True)
    ordered = Flag()
    rate_per_second = Whole(minimum=1, maximum=_MAX_RATE, allow_none=True)
    description = Text(allow_none=True)


class SecretRotationSchema(Schema):
    """For how long the secret before the new one signs too."""

    overlap_seconds = Whole(minimum=0, maximum=_WEEK, load_default=86_400)
    body_optional = True


class EnablingSchema(Schema):
    """What of that which was held goes out: all, what was tried and failed, or nothing."""

    resume = Choice("all", "failed", "none", load_default="all")
    body_optional = True


class EventSpanSchema(ValueSchema):
    """What is sent again: events from ``since`` to before ``until``, which is now unless given."""

    builds = Span

    since = Instant(required=True)
    until = Instant(allow_none=True, load_default=None)
    types = _types(allow_none=True, load_default=None)
    which = Choice("failed", "all", data_key="only", load_default="failed")

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """In the words of the domain."""
        failed = data.pop("which") == "failed"
        return {**data, "failed": failed}


class ResentEventSchema(Schema):
    """To which endpoint; to all that want the event unless given."""

    endpoint_id = Identifier(allow_none=True, load_default=None)
    body_optional = True


class EndpointsQuery(PageQuery):
    """Which endpoints."""

    status = Choice("active", "disabled", load_default=None)


class DeliveriesQuery(PageQuery):
    """Which deliveries."""

    status = Choice(*STATES, load_default=None)
