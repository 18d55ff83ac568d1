"""Which usage is asked for."""

from api.schemas.fields import Identifier
from api.schemas.paging import PageQuery, SpanQuery


class RecordsQuery(SpanQuery, PageQuery):
    """Which recordings: of one usage type, and occurred from ``from`` to ``to`` (exclusive)."""

    usage_type = Identifier(load_default=None)
