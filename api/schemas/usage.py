"""Which usage is asked for."""

from typing import Any

import marshmallow as ma

from api.schemas.base import Coded, Schema
from api.schemas.fields import Identifier, Instant
from api.schemas.paging import PageQuery


class SpanQuery(Schema):
    """All periods that overlap ``from`` to ``to`` (exclusive); without them the present one."""

    start = Instant(data_key="from", load_default=None)
    end = Instant(data_key="to", load_default=None)

    @ma.validates_schema
    def ends_after_it_starts(self, data: dict[str, Any], **_: Any) -> None:
        """A span of no or negative length is a mistake."""
        start, end = data.get("start"), data.get("end")
        if start is not None and end is not None and end <= start:
            raise ma.ValidationError({"to": [Coded("must be after from", "out_of_range")]})


class RecordsQuery(SpanQuery, PageQuery):
    """Which recordings: of one usage type, and occurred from ``from`` to ``to`` (exclusive)."""

    usage_type = Identifier(load_default=None)
