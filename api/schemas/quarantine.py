"""Quarantined recordings on the wire."""

from api.schemas.fields import Choice, Identifier
from api.schemas.paging import PageQuery


class QuarantineQuery(PageQuery):
    """Which quarantined recordings."""

    status = Choice("open", "replayed", "discarded", load_default=None)
    subscription_id = Identifier(load_default=None)
