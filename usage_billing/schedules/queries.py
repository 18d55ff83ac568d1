"""Reads schedules, and finds those of which an occurrence has come."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.db.filters import equal
from usage_billing.schedules.models import Schedule


def get_schedule(session: Session, schedule_id: UUID) -> Schedule:
    """The schedule as it is stored now; raises NotFound."""
    found = session.get(Schedule, schedule_id, populate_existing=True)
    if found is None:
        raise NotFound(f"there is no schedule {schedule_id}")
    return found


def schedules_where(*, wallet_id: str | None = None) -> Select[Schedule]:
    """The statement that lists schedules, of one wallet if that is given."""
    return equal(select(Schedule), {Schedule.wallet_id: wallet_id})


def coming_schedules(session: Session, wallet_ids: Collection[str]) -> Sequence[Schedule]:
    """The schedules of these wallets that make another grant, the next to make one first."""
    statement = select(Schedule).where(Schedule.wallet_id.in_(wallet_ids), Schedule.next_at.is_not(None))
    return session.scalars(statement.order_by(Schedule.next_at, Schedule.id)).all()


def due_schedules(session: Session, wallet_ids: Collection[str], *, now: datetime) -> Sequence[Schedule]:
    """The schedules of these wallets of which an occurrence has come that is not stored, the first made first."""
    statement = select(Schedule).where(Schedule.wallet_id.in_(wallet_ids), Schedule.next_at <= now)
    return session.scalars(statement.order_by(Schedule.id), execution_options={"populate_existing": True}).all()


def schedules_due(session: Session, *, until: datetime) -> Iterator[Schedule]:
    """Every schedule of which an occurrence came by ``until`` that is not stored, the first made first."""
    statement = select(Schedule).where(Schedule.next_at <= until).order_by(Schedule.id)
    return iter(session.scalars(statement, execution_options={"yield_per": 500}))


def wallets_due(session: Session, *, now: datetime, limit: int = 1000) -> list[str]:
    """The wallets of which an occurrence has come that is not stored, by id."""
    statement = select(Schedule.wallet_id).where(Schedule.next_at <= now)
    return list(session.scalars(statement.distinct().order_by(Schedule.wallet_id).limit(limit)))
