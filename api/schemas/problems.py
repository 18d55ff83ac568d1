"""What every error looks like; only described here, made in ``api.problems``."""

import marshmallow as ma

from api.schemas.base import Schema
from api.schemas.fields import Prefabricated, Text, Whole


class ProblemFieldSchema(Schema):
    """One wrong field of the body (``pointer``) or of the query (``parameter``)."""

    pointer = Prefabricated({"type": "string", "format": "json-pointer"})
    parameter = Text()
    detail = Text(required=True)
    code = Text(required=True)


class ProblemSchema(Schema):
    """RFC 9457. ``code`` is stable; ``detail`` is for people and may change."""

    type = Prefabricated({"type": "string", "format": "uri-reference"}, required=True)
    title = Text(required=True)
    status = Whole(required=True, minimum=400, maximum=599)
    detail = Text(required=True, maximum=10_000)
    code = Text(required=True)
    request_id = Text(required=True)
    errors = ma.fields.List(ma.fields.Nested(ProblemFieldSchema))
