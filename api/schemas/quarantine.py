"""Quarantined recordings on the wire."""

import marshmallow as ma

from api.schemas.base import Schema
from api.schemas.fields import Choice, Identifier, Instant, Prefabricated, Text
from api.schemas.paging import PageQuery


class QuarantineQuery(PageQuery):
    """Which quarantined recordings."""

    status = Choice("open", "replayed", "discarded", load_default=None)
    subscription_id = Identifier(load_default=None)


class QuarantinedSchema(Schema):
    """An accepted recording that could not be counted: why, and all that it said."""

    id = ma.fields.UUID(required=True)
    reason = Text(required=True)
    detail = Text(required=True)
    payload = Prefabricated({"type": "object"}, required=True)
    customer_id = Identifier(data_key="userId", allow_none=True, required=True)
    subscription_id = Identifier(allow_none=True, required=True)
    status = Choice("open", "replayed", "discarded", required=True)
    received_at = Instant(required=True)
    quarantined_at = Instant(required=True)
    resolved_at = Instant(allow_none=True, required=True)
    resolved_by = Text(allow_none=True, required=True)


class ReplaySchema(Schema):
    """What became of a replayed recording."""

    id = ma.fields.UUID(required=True)
    outcome = Choice("recorded", "duplicate", required=True)
