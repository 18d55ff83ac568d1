"""What is kept of events for a while only: bodies and deliveries for 90 days, tries for 30, hours of mail for 1."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from usage_billing.mail.service import forget_hours
from usage_billing.outbox.service import KEPT, forget_bodies
from usage_billing.webhooks.deliveries import forget_attempts, forget_deliveries

ATTEMPTS_KEPT = timedelta(days=30)
_AT_ONCE = 5000


def forget_events(session: Session, *, now: datetime) -> int:
    """Delete some of what is not kept any more; returns how many rows, 0 when nothing is left to delete."""
    forget_hours(session, now=now)
    gone = forget_attempts(session, before=now - ATTEMPTS_KEPT, at_most=_AT_ONCE)
    gone += forget_deliveries(session, before=now - KEPT, at_most=_AT_ONCE)
    return gone + forget_bodies(session, now=now, at_most=_AT_ONCE)
