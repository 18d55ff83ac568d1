"""Reads signs of life and work done."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from usage_billing.processes.models import Heartbeat, Role, WorkCounter, WorkDone

ALIVE = timedelta(seconds=10)
"""A process whose last sign of life is older is taken for dead."""

_AGE = func.clock_timestamp() - Heartbeat.beat_at


def alive(session: Session, role: Role) -> Sequence[Heartbeat]:
    """The processes of this role that are at work, by name."""
    return session.scalars(
        select(Heartbeat).where(Heartbeat.role == role, _AGE <= ALIVE).order_by(Heartbeat.name, Heartbeat.id)
    ).all()


def last_sign(session: Session, role: Role) -> timedelta | None:
    """How old the last sign of life of any process of this role is; None when there was none within a day."""
    age: timedelta | None = session.scalar(select(func.min(_AGE)).where(Heartbeat.role == role))
    return age


def work_done(session: Session) -> list[WorkDone]:
    """What all workers did since the beginning, by name and outcome."""
    counters = session.scalars(select(WorkCounter).order_by(WorkCounter.name, WorkCounter.outcome))
    return [WorkDone(row.name, row.outcome, row.number, row.seconds) for row in counters]
