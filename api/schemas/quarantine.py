"""Quarantined recordings on the wire."""

from api.schemas.fields import Choice, Identifier
from api.schemas.paging import PageQuery
from usage_billing.metering.states import QuarantineStatus


class QuarantineQuery(PageQuery):
    """Which quarantined recordings."""

    status = Choice(*QuarantineStatus, load_default=None)
    subscription_id = Identifier(load_default=None)
