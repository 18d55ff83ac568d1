"""Pages of lists: how many things, and where the page begins."""

from typing import Any

import marshmallow as ma

from api.schemas.base import CodedText, Schema
from api.schemas.fields import Instant, Passthrough, Whole

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


class PageQuery(Schema):
    """``cursor`` is the ``nextCursor`` of the page before; callers cannot make one themselves."""

    limit = Whole(minimum=1, maximum=MAX_LIMIT, load_default=DEFAULT_LIMIT)
    cursor = Passthrough({"type": "string", "maxLength": 1000}, load_default=None)


class SpanQuery(Schema):
    """From ``from`` to before ``to``; each is open without it."""

    start = Instant(data_key="from", load_default=None)
    end = Instant(data_key="to", load_default=None)

    @ma.validates_schema
    def ends_after_it_starts(self, data: dict[str, Any], **_: Any) -> None:
        """A span of no or negative length is a mistake."""
        start, end = data.get("start"), data.get("end")
        if start is not None and end is not None and end <= start:
            raise ma.ValidationError({"to": [CodedText("must be after from", "out_of_range")]})


class CursorQuery(Schema):
    """``cursor`` is the ``nextCursor`` of the page before; how much a page has is not for callers to say."""

    cursor = Passthrough({"type": "string", "maxLength": 1000}, load_default=None)


class UsageQuery(CursorQuery, SpanQuery):
    """Which usage, and from which line on."""


class PagedSpanQuery(PageQuery, SpanQuery):
    """A page of what lies in a span."""
