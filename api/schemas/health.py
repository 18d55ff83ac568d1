"""The answer of the health checks."""

from api.schemas.base import Schema
from api.schemas.fields import Choice, Prefabricated


class HealthSchema(Schema):
    """``parts`` says of each part ``ok`` or the code of what is wrong with it."""

    status = Choice("ok", "unavailable", required=True)
    parts = Prefabricated({"type": "object", "additionalProperties": {"type": "string"}})
