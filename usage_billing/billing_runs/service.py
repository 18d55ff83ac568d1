"""Writes signs of life and errors of billing runs."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import COMPLETED, FAILED, BillingRun


def beat_heart(session: Session, run_id: UUID, *, now: datetime) -> None:
    """Note that a worker is at work on the run at ``now``."""
    session.execute(update(BillingRun).where(BillingRun.id == run_id).values(heartbeat_at=now))


def note_error(session: Session, run_id: UUID, error: str) -> None:
    """Store the error that last stopped an unfinished run, for people to see while workers try again."""
    unfinished = BillingRun.status.not_in((COMPLETED, FAILED))
    session.execute(update(BillingRun).where(BillingRun.id == run_id, unfinished).values(error=error))
