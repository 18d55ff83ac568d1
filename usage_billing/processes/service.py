"""Writes signs of life and work done."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.orm import Session

from usage_billing.processes.models import Heartbeat, Role, WorkDone

_BEAT = text("""
    INSERT INTO process_heartbeats AS p (id, role, name, beat_at, ahead)
    VALUES (:id, :role, :name, clock_timestamp(), :here - clock_timestamp())
    ON CONFLICT (id) DO UPDATE
    SET beat_at = excluded.beat_at, ahead = excluded.ahead
""")
_ADD = text("""
    INSERT INTO work_counters AS w (name, outcome, number, seconds)
    VALUES (:name, :outcome, :number, :seconds)
    ON CONFLICT (name, outcome) DO UPDATE
    SET number = w.number + excluded.number, seconds = w.seconds + excluded.seconds
""")
_FORGET = text("DELETE FROM process_heartbeats WHERE beat_at < clock_timestamp() - interval '1 day'")


def beat(session: Session, id: UUID, *, role: Role, name: str, here: datetime) -> None:
    """Note that the process ``id`` is at work; ``here`` is the present by its clock."""
    session.execute(_BEAT, {"id": id, "role": role, "name": name, "here": here})


def forget_the_dead(session: Session) -> None:
    """Delete the rows of processes that gave no sign of life for a day."""
    session.execute(_FORGET)


def end(session: Session, id: UUID) -> None:
    """Note that the process ``id`` ends in order."""
    session.execute(delete(Heartbeat).where(Heartbeat.id == id))


def add_work(session: Session, done: Sequence[WorkDone]) -> None:
    """Add what a worker did. ``done`` is sorted, so two workers that add never wait for each other in a circle."""
    session.execute(_ADD, [asdict(part) for part in done])
