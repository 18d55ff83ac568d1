"""Quarantined recordings on the wire."""

from api.schemas.fields import Choice, Identifier, Text
from api.schemas.paging import PagedSpanQuery
from usage_billing.metering.states import QuarantineStatus


class QuarantineQuery(PagedSpanQuery):
    """Which quarantined recordings; ``from`` and ``to`` are of ``receivedAt``."""

    status = Choice(*QuarantineStatus, load_default=None)
    reason = Text(maximum=64, load_default=None)
    customer_id = Identifier(data_key="userId", load_default=None)
    subscription_id = Identifier(load_default=None)
