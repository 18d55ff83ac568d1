"""Lists: how much of them, from where on."""

from functools import cache

import marshmallow as ma

from api.schemas.base import Schema
from api.schemas.fields import Prefabricated, Whole

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


class PageQuery(Schema):
    """``cursor`` is the ``nextCursor`` of the page before; it means nothing else."""

    limit = Whole(minimum=1, maximum=MAX_LIMIT, load_default=DEFAULT_LIMIT)
    cursor = Prefabricated({"type": "string", "maxLength": 1000}, load_default=None)


@cache
def page_of(schema: type[Schema]) -> type[Schema]:
    """The schema of a page of ``schema``: ``{data: [...], nextCursor}``; the last page's cursor is null."""
    fields = {
        "data": ma.fields.List(ma.fields.Nested(schema), required=True),
        "next_cursor": Prefabricated({"type": "string"}, allow_none=True, required=True),
        "__doc__": f"A page of a list of {schema.__name__.removesuffix('Schema')}.",
    }
    return type(f"{schema.__name__.removesuffix('Schema')}PageSchema", (Schema,), fields)
