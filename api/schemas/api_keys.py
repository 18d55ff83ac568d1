"""API keys on the wire: the key itself is shown once, when it is made."""

from datetime import timedelta
from typing import Any

import marshmallow as ma

from api.schemas.base import ChangesSchema, ValueSchema
from api.schemas.fields import Choice, Flag, Identifier, Instant, Key, Text, Whole
from api.schemas.paging import PageQuery
from usage_billing.access.bounds import Bounds
from usage_billing.access.principal import SCOPES
from usage_billing.access.rotation import DEFAULT_OVERLAP, MAX_OVERLAP, Rotation
from usage_billing.access.service import KeyChanges, NewKey
from usage_billing.core.limits import MAX_KEY_NAME, MAX_RATE

_MOST_NAMES = 1000
_SECOND = timedelta(seconds=1)


def _names() -> ma.fields.Field[Any]:
    length = ma.validate.Length(min=1, max=_MOST_NAMES)
    return ma.fields.List(Identifier(), allow_none=True, load_default=None, validate=length)


class NewApiKeySchema(ValueSchema):
    """A key as it is asked for; ``rateLimit`` is in requests a minute.

    One that is bound records by no other ``source``, of no other usage types, for no other customers; and does nothing
    else. No other key records by its ``source``.
    """

    builds = NewKey

    name = Text(maximum=MAX_KEY_NAME, required=True)
    scopes = ma.fields.List(Choice(*SCOPES), required=True, validate=ma.validate.Length(min=1, max=len(SCOPES)))
    expires_at = Instant(allow_none=True, load_default=None)
    rate_limit = Whole(minimum=1, maximum=MAX_RATE, allow_none=True, load_default=None)
    source = Key(allow_none=True, load_default=None)
    usage_types = _names()
    user_ids = _names()

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """The bounds are one value."""
        names = {name: data.pop(name) for name in ("usage_types", "user_ids")}
        sets = {name: None if given is None else frozenset(given) for name, given in names.items()}
        return data | {"bounds": Bounds(source=data.pop("source"), **sets)}


class KeyChangesSchema(ChangesSchema):
    """What changes of a key; null lets it hold for ever, or gives it the usual limit."""

    builds = KeyChanges

    name = Text(maximum=MAX_KEY_NAME)
    expires_at = Instant(allow_none=True)
    rate_limit = Whole(minimum=1, maximum=MAX_RATE, allow_none=True)


class ApiKeysQuery(PageQuery):
    """Which keys; ``ended``: whether revoked or expired."""

    scope = Choice(*SCOPES, load_default=None)
    ended = Flag(load_default=None)


class RotationSchema(ValueSchema):
    """For how long the old key holds beside the new one, a day if not said, and until when the new one holds.

    Not said, that holds for as long as the old one was made to hold; null is for ever.
    """

    builds = Rotation

    overlap_seconds = Whole(maximum=MAX_OVERLAP // _SECOND, load_default=DEFAULT_OVERLAP // _SECOND)
    expires_at = Instant(allow_none=True)
    body_optional = True

    def arguments(self, data: dict[str, Any]) -> dict[str, Any]:
        """The seconds as a time."""
        return data | {"overlap": timedelta(seconds=data.pop("overlap_seconds"))}
