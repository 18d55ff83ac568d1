"""Lists: how much of them, from where on."""

from api.schemas.base import Schema
from api.schemas.fields import Prefabricated, Whole

MAX_LIMIT = 200
DEFAULT_LIMIT = 50


class PageQuery(Schema):
    """``cursor`` is the ``nextCursor`` of the page before; it means nothing else."""

    limit = Whole(minimum=1, maximum=MAX_LIMIT, load_default=DEFAULT_LIMIT)
    cursor = Prefabricated({"type": "string", "maxLength": 1000}, load_default=None)
