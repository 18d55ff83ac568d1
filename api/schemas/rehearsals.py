"""Dry runs, and real requests that are held to what one showed, on the wire."""

import re
from typing import Any

import marshmallow as ma

from api.schemas.base import CodedText, Schema, wrong
from api.schemas.fields import Flag, Text

_DIGEST = (
    "The `digest` of a dry run: what would do anything else is refused with 409. A change holds from another instant at"
    " each `now`: send the instant of the dry run, its `effectiveAt` or `foreseen.effective`, as `at` or `effective`."
)


class Digest(Text):
    """The digest of a dry run: 64 hexadecimal digits."""

    def __init__(self, **options: Any) -> None:
        super().__init__(maximum=64, **options)
        self.openapi = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": _DIGEST}

    def _deserialize(self, value: Any, *rest: Any, **more: Any) -> str:
        text = super()._deserialize(value, *rest, **more)
        if re.fullmatch("[0-9a-f]{64}", text) is None:
            raise wrong("must be 64 hexadecimal digits", "invalid")
        return text


class RehearsableSchema(Schema):
    """A request that can be rehearsed: ``dryRun`` shows what it would do and does nothing of it.

    With the ``digest`` of a dry run as ``expectedDigest`` it is refused if it would do anything else.
    """

    dry_run = Flag(load_default=False)
    expected_digest = Digest(allow_none=True, load_default=None)

    @ma.validates_schema
    def expects_or_rehearses(self, data: dict[str, Any], **_: Any) -> None:
        """A dry run does nothing, so it has no digest to expect."""
        if data.get("dry_run") and data.get("expected_digest") is not None:
            message = CodedText("is for real requests; a dry run shows its own", "contradiction")
            raise ma.ValidationError({"expectedDigest": [message]})
