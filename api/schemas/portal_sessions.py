"""Sessions on a customer's pages, as they are asked for."""

import re
from typing import Any

import marshmallow as ma

from api.schemas.base import ValueSchema, wrong
from api.schemas.fields import Choice, Identifier, Text, Whole
from usage_billing.core.limits import MAX_URL
from usage_billing.core.periods import is_time_zone
from usage_billing.sessions.pages import LOCALES, PAGES
from usage_billing.sessions.service import DEFAULT_SECONDS, MOST_SECONDS, NewPortalSession

# Ports are not looked at: a browser refuses one that cannot be.
_ADDRESS = r"https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?(:[0-9]{1,5})?([/?#][!#-\[\]_a-z~^]*)?"


class Address(Text):
    """The address of a page, which a browser is sent to."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=MAX_URL, **options)
        self.openapi |= {"description": "An address of http or https, such as https://app.example.com/account."}

    def _deserialize(self, value: Any, *arguments: Any, **named: Any) -> str:
        text: str = super()._deserialize(value, *arguments, **named)
        if re.fullmatch(_ADDRESS, text) is None:
            raise wrong("must be an address like https://app.example.com/account", "not_an_address")
        return text


class TimeZone(Text):
    """A name of the IANA database."""

    def _deserialize(self, value: Any, *arguments: Any, **named: Any) -> str:
        text: str = super()._deserialize(value, *arguments, **named)
        if not is_time_zone(text):
            raise wrong("must be an IANA time zone such as Europe/Berlin", "unknown_zone")
        return text


class NewPortalSessionSchema(ValueSchema):
    """Whose pages, for how many seconds they can be looked at, and which of them; all unless said.

    ``locale`` and ``timezone`` go before the customer's language and its subscription's zone. ``returnUrl`` leads back
    to your service. ``refreshUrl`` is where it makes a new session when this one is over.
    """

    builds = NewPortalSession

    customer_id = Identifier(data_key="userId", required=True)
    expires_in_seconds = Whole(minimum=60, maximum=MOST_SECONDS, load_default=DEFAULT_SECONDS)
    pages = ma.fields.List(
        Choice(*PAGES), allow_none=True, load_default=None, validate=ma.validate.Length(min=1, max=len(PAGES))
    )
    locale = Choice(*LOCALES, allow_none=True, load_default=None)
    timezone = TimeZone(maximum=64, allow_none=True, load_default=None)
    return_url = Address(allow_none=True, load_default=None)
    refresh_url = Address(allow_none=True, load_default=None)
