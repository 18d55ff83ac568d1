"""Endpoints on the wire."""

from datetime import timedelta
from typing import Any

from api.schemas.base import Schema, ValueSchema
from api.schemas.events import some_types, types_or_every
from api.schemas.fields import Choice, Flag, Identifier, Instant, NewIdentifier, Text, Whole
from api.schemas.paging import PageQuery
from usage_billing.core.limits import MAX_URL
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint
from usage_billing.flows.delivering.send_again import Span
from usage_billing.wire.endpoint import STATES
from usage_billing.wire.event import VERSION, VERSIONS

_WEEK = int(timedelta(days=7).total_seconds())
_MAX_RATE = 1000


class EndpointUrl(Text):
    """Where an endpoint is; the domain refuses what it never calls."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=MAX_URL, **options)
        self.openapi |= {
            "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[!-\[\]-~]+$",
            "description": "A URL without a user, a password and a fragment, with the usual port or one from 1024. Its"
            " host is public, and called by https; USAGE_BILLING_WEBHOOK_NETWORKS opens others.",
            "examples": ["https://app.example.com/hooks"],
        }


class NewEndpointSchema(ValueSchema):
    """An endpoint as it is made. Without ``secret`` the service makes one."""

    builds = NewEndpoint

    id = NewIdentifier(allow_none=True, load_default=None)
    url = EndpointUrl(required=True)
    types = types_or_every(required=True)
    customer_id = Identifier(data_key="userId", allow_none=True, load_default=None)
    version = Choice(*VERSIONS, load_default=VERSION)
    ordered = Flag(load_default=False)
    rate_per_second = Whole(minimum=1, maximum=_MAX_RATE, allow_none=True, load_default=None)
    description = Text(allow_none=True, load_default=None)
    secret = Text(allow_none=True, load_default=None)


class ChangedEndpointSchema(Schema):
    """What changes of an endpoint; the rest stays."""

    url = EndpointUrl()
    types = types_or_every()
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
    types = some_types(allow_none=True, load_default=None)
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
