"""API keys on the wire: the key itself is shown once, when it is made."""

from datetime import timedelta
from typing import Any

import marshmallow as ma

from api.schemas.base import ValueSchema
from api.schemas.fields import Choice, Flag, Instant, Text, Whole
from api.schemas.paging import PageQuery
from usage_billing.access.principal import SCOPES
from usage_billing.access.rotation import DEFAULT_OVERLAP
from usage_billing.access.service import NewKey
from usage_billing.core.limits import MAX_KEY_NAME

_YEAR_SECONDS = 366 * 24 * 3600
_MAX_RATE = 10**9


class NewApiKeySchema(ValueSchema):
    """A key as it is asked for; ``rateLimit`` is in requests a minute."""

    builds = NewKey

    name = Text(maximum=MAX_KEY_NAME, required=True)
    scopes = ma.fields.List(Choice(*SCOPES), required=True, validate=ma.validate.Length(min=1, max=len(SCOPES)))
    expires_at = Instant(allow_none=True, load_default=None)
    rate_limit = Whole(minimum=1, maximum=_MAX_RATE, allow_none=True, load_default=None)


class ApiKeysQuery(PageQuery):
    """Which keys; ``ended``: whether revoked or expired."""

    scope = Choice(*SCOPES, load_default=None)
    ended = Flag(load_default=None)


class RotationSchema(ValueSchema):
    """For how long the old key holds beside the new one; a day if not said."""

    builds = timedelta

    overlap_seconds = Whole(minimum=0, maximum=_YEAR_SECONDS, load_default=DEFAULT_OVERLAP // timedelta(seconds=1))
    body_optional = True

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """The seconds of the time."""
        return {"seconds": data["overlap_seconds"]}
