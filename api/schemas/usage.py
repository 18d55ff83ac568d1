"""Which usage a request asks for."""

from api.schemas.fields import Identifier
from api.schemas.paging import PageQuery, SpanQuery


class RecordsQuery(SpanQuery, PageQuery):
    """Which recordings to list: of one usage type, and that occurred from ``from`` to ``to`` (exclusive)."""

    usage_type = Identifier(load_default=None)
