"""The tables of signs of life and of work done."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Interval, Numeric, String, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from usage_billing.db.base import Base


class Role(StrEnum):
    """What a process is there for."""

    WORKER = "worker"
    BEAT = "beat"


class Heartbeat(Base):
    """A process that works: ``beat_at`` is the database's time of its last sign of life.

    ``name`` is what its operator calls it, such as ``celery@host``; two processes may share it by mistake. ``ahead`` is
    how far its clock was ahead of the database's then, negative if it was behind. The row is deleted when the process
    ends in order.
    """

    __tablename__ = "process_heartbeats"
    __table_args__ = (CheckConstraint("role IN ('worker', 'beat')", name="role"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.clock_timestamp())
    beat_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ahead: Mapped[timedelta] = mapped_column(Interval)


@dataclass(frozen=True, slots=True)
class WorkDone:
    """How many things of this ``name`` ended as ``outcome``, and how many seconds they took together."""

    name: str
    outcome: str
    number: int
    seconds: Decimal


class WorkCounter(Base):
    """A ``WorkDone`` of all workers together; it only grows. ``name`` is a task's name, or ``recordings``."""

    __tablename__ = "work_counters"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[Decimal] = mapped_column(Numeric(20, 6))
