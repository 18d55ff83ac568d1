"""Recordings on their way in: the founding document's body, and batches.

``RecordingSchema`` states the rules of ``usage_billing.metering.spelling`` in marshmallow, for the OpenAPI document; a
property test compares the two. Requests are read by ``spelling``, which is five times as fast.
"""

import json
from datetime import datetime
from typing import Any

import marshmallow as ma

from api.schemas.base import CodedText, OneFieldSchema, Schema, wrong
from api.schemas.fields import Identifier, Instant, Key, Mapping, Text, Used
from usage_billing.core.clock import utc_now
from usage_billing.metering.metadata import MAX_BYTES, MAX_DEPTH, NotMetadata, canonical_metadata
from usage_billing.metering.spelling import EARLIEST, MAX_AHEAD


class Occurrence(Instant):
    """When usage occurred: not before the year 2000, and not in the future."""

    earliest = EARLIEST

    @property
    def latest(self) -> datetime:  # type: ignore[override]
        """The latest accepted time: now, and as much more as a sender's clock may be ahead of ours."""
        now: datetime = getattr(self.parent, "now", None) or utc_now()
        return now + MAX_AHEAD


class Metadata(Mapping):
    """Details about the usage, kept as they are: at most 16 KiB of JSON, nested at most 32 deep."""

    openapi = {"type": "object", "description": f"At most {MAX_BYTES} bytes of JSON, {MAX_DEPTH} levels."}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        try:
            return canonical_metadata(json.dumps(value, default=str).encode())
        except NotMetadata as error:
            raise wrong(str(error), "invalid_metadata") from error


class RecordingSchema(Schema):
    """A recording. Sent twice with the same ``idempotencyKey`` it is counted once.

    ``quantity`` is required, unless the usage type makes it from the metadata (``quantityFrom``).
    """

    user_id = Identifier(required=True)
    subscription_id = Identifier(required=True)
    usage_type = Identifier(required=True)
    quantity = Used(positive=True)
    metadata = Metadata(allow_none=True)
    timestamp = Occurrence(allow_none=True)
    idempotency_key = Key(allow_none=True)
    source = Key(allow_none=True)

    def __init__(self, *, now: datetime | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.now = now

    @ma.validates_schema(pass_original=True, skip_on_field_errors=False)
    def quantity_that_senders_give(self, _: Any, original: Any, **__: Any) -> None:
        """Refuse a recording without a quantity, as one of a usage type that makes none is."""
        if isinstance(original, dict) and "quantity" not in original:
            raise ma.ValidationError({"quantity": [CodedText("is required", "required")]})


class BatchSchema(Schema):
    """Several recordings, which are accepted all or not at all."""

    events = ma.fields.List(ma.fields.Nested(RecordingSchema), required=True, validate=ma.validate.Length(min=1))


class VoidSchema(OneFieldSchema):
    """Why a recording is taken back."""

    reason = Text(required=True)
