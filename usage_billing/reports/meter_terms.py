"""Which definition of a meter holds for recordings."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.meters.definition import Definition
from usage_billing.meters.queries import ActiveMeter
from usage_billing.subscriptions.queries import timelines_of


def definition_for(session: Session, meter: ActiveMeter, *, subscription_id: str, at: datetime) -> Definition:
    """The definition for the billing period of a subscription around ``at``; where nothing runs, the one at ``at``."""
    segment = timelines_of(session, [subscription_id])[subscription_id].segment_at(at)
    return meter.definition_of(at if segment is None else segment.period.start)
