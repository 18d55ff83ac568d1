"""Writes schedules. The caller has locked the wallet."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.schedules.models import Schedule


def add_schedule(session: Session, schedule: Schedule) -> None:
    """Store a schedule, whose key has made none of its wallet."""
    session.add(schedule)
    session.flush()


def note_stored(session: Session, schedule: Schedule, *, last: datetime) -> None:
    """The grants of all occurrences up to and with ``last`` are stored."""
    schedule.next_at = schedule.recurrence.after(last)
    session.flush()


def end_at(session: Session, schedule: Schedule, at: datetime) -> None:
    """From ``at`` on there is no occurrence."""
    schedule.ends_at = at
    if schedule.next_at is not None and schedule.next_at >= at:
        schedule.next_at = None
    session.flush()
