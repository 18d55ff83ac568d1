"""Endpoints on the wire."""

from datetime import timedelta
from typing import Any, ClassVar

from api.schemas.base import Field, Schema, ValueSchema, wrong
from api.schemas.events import some_types, types_or_every
from api.schemas.fields import Choice, Flag, Identifier, Instant, Language, NewIdentifier, Text, Whole
from api.schemas.paging import PageQuery
from usage_billing.core.limits import MAX_URL
from usage_billing.core.mailboxes import MAX_MAILBOX
from usage_billing.flows.delivering.mail_endpoints import MOST_ADDRESSES
from usage_billing.flows.delivering.manage_endpoints import NewEndpoint
from usage_billing.flows.delivering.send_again import Span
from usage_billing.webhooks.states import TO_CUSTOMER, EndpointKind
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

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        if isinstance(value, str) and len(value) > MAX_URL:
            raise wrong(f"must have at most {MAX_URL} characters", "address_refused")
        return super()._deserialize(value, *rest, **more)


class MailTo(Field):
    """``customer``, or a list of addresses; the flow looks at each."""

    openapi: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"type": "string", "const": TO_CUSTOMER},
            {
                "type": "array",
                "items": {"type": "string", "format": "email", "maxLength": MAX_MAILBOX},
                "minItems": 1,
                "maxItems": MOST_ADDRESSES,
                "uniqueItems": True,
            },
        ],
        "description": "The addresses of mail, or `customer` for each customer's own.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if self.allow_none:
            self.openapi = {**self.openapi, "oneOf": [*self.openapi["oneOf"], {"type": "null"}]}  # type: ignore[misc]

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str | list[str]:
        if value == TO_CUSTOMER or (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            return value  # type: ignore[no-any-return]
        raise wrong('must be "customer", or a list of addresses', "not_a_choice")


class NewEndpointSchema(ValueSchema):
    """An endpoint as it is made: a webhook has a ``url``, mail goes ``to`` addresses.

    Without ``secret`` the service makes one for a webhook.
    """

    builds = NewEndpoint
    openapi: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {
                "required": ["url"],
                "properties": {
                    "kind": {"const": str(EndpointKind.WEBHOOK)},
                    "url": {"type": "string"},
                    "to": {"type": "null"},
                    "language": {"type": "null"},
                },
            },
            {
                "required": ["kind", "to"],
                "properties": {
                    "kind": {"const": str(EndpointKind.EMAIL)},
                    "to": {"type": ["string", "array"]},
                    "url": {"type": "null"},
                    "secret": {"type": "null"},
                },
            },
        ]
    }

    id = NewIdentifier(allow_none=True, load_default=None)
    kind = Choice(*EndpointKind, load_default=EndpointKind.WEBHOOK)
    url = EndpointUrl(allow_none=True, load_default=None)
    to = MailTo(allow_none=True, load_default=None)
    language = Language(allow_none=True, load_default=None)
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
    to = MailTo()
    language = Language(allow_none=True)
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
