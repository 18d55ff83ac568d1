"""Writing the logbook."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun


def beat_heart(session: Session, run_id: UUID, *, now: datetime) -> None:
    """Note that somebody is at work on the run."""
    session.execute(update(BillingRun).where(BillingRun.id == run_id).values(heartbeat_at=now))
