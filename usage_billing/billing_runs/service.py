"""Writes signs of life and errors of billing runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun, RunKind, RunStatus, SlicePhase
from usage_billing.core.identifiers import new_id

_PLAN_SLICES = """
    INSERT INTO billing_run_slices (run_id, phase, position, first_id, last_id)
    SELECT :run, :phase, position, min(id), max(id) FROM (
        SELECT id, (rank() OVER (ORDER BY id) - 1) / :size AS position FROM ({}) AS due
    ) AS numbered GROUP BY position ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to be; its ``key``, if it has one, is what another run cannot have."""

    key: str | None
    as_of: datetime
    subscription_id: str | None
    dry_run: bool
    requested_by: str
    started_at: datetime
    expected_digest: str | None = None
    rehearsal_id: UUID | None = None
    kind: str = RunKind.BILLING
    plan_change: Mapping[str, Any] | None = None


def add_run(session: Session, new: NewRun) -> BillingRun | None:
    """Store ``new`` as opened; None when there is a run with its key already."""
    return session.scalars(
        insert(BillingRun)
        .values(
            **{name: getattr(new, name) for name in NewRun.__slots__},
            id=new_id(),
            status=RunStatus.OPENED,
            heartbeat_at=new.started_at,
        )
        .on_conflict_do_nothing()
        .returning(BillingRun)
    ).first()


def beat_heart(session: Session, run_id: UUID, *, now: datetime) -> None:
    """Note that a worker is at work on the run at ``now``."""
    session.execute(update(BillingRun).where(BillingRun.id == run_id).values(heartbeat_at=now))


def note_error(session: Session, run_id: UUID, error: str) -> None:
    """Store the error that last stopped an unfinished run, for people to see while workers try again."""
    unfinished = BillingRun.status.not_in((RunStatus.COMPLETED, RunStatus.FAILED))
    session.execute(update(BillingRun).where(BillingRun.id == run_id, unfinished).values(error=error))


def plan_slices(
    session: Session, run_id: UUID, phase: SlicePhase, *, due: str, asked: Mapping[str, object], size: int
) -> None:
    """Divide what ``due`` selects (rows with an ``id``, with the values ``asked``) into slices of about ``size`` rows.

    Rows with the same id are in one slice. Slices that are planned already stay as they are.
    """
    session.execute(text(_PLAN_SLICES.format(due)), {**asked, "run": run_id, "phase": phase, "size": size})
