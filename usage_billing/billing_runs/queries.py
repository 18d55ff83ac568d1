"""Reads billing runs and their slices."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, select, text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.models import BillingRun, BillingRunSlice, RunStatus, SlicePhase
from usage_billing.core.errors import NotFound


def get_run(session: Session, run_id: UUID, *, lock: bool = False) -> BillingRun:
    """The run with this id, its row locked with ``lock``. Raises NotFound."""
    statement = select(BillingRun).where(BillingRun.id == run_id)
    run = session.scalars(statement.with_for_update() if lock else statement).first()
    if run is None:
        raise NotFound(f"there is no billing run {run_id}")
    return run


def has_run(session: Session, key: str) -> bool:
    """Whether a run was opened with this key."""
    return bool(session.scalar(select(exists().where(BillingRun.key == key))))


def pending_slices(session: Session, run_id: UUID, phase: SlicePhase) -> list[int]:
    """The positions of the slices of ``phase`` that are still to be done, in order."""
    return list(
        session.scalars(
            select(BillingRunSlice.position)
            .where(
                BillingRunSlice.run_id == run_id,
                BillingRunSlice.phase == phase,
                BillingRunSlice.done.is_(False),
            )
            .order_by(BillingRunSlice.position)
        )
    )


def is_pending(session: Session, run_id: UUID, phase: SlicePhase) -> bool:
    """Whether any slice of ``phase`` is still to be done."""
    pending = (BillingRunSlice.run_id == run_id, BillingRunSlice.phase == phase, BillingRunSlice.done.is_(False))
    return bool(session.scalar(select(exists().where(*pending))))


def count_slices(session: Session, run_id: UUID) -> tuple[int, int]:
    """How many slices of a run are done, and how many there are."""
    row = session.execute(
        select(func.count().filter(BillingRunSlice.done).label("done"), func.count().label("total")).where(
            BillingRunSlice.run_id == run_id
        )
    ).one()
    return row.done, row.total


def outcomes(session: Session, run_id: UUID) -> Sequence[dict[str, object]]:
    """What each finished slice of a run did, as JSON."""
    return session.scalars(
        select(BillingRunSlice.outcome)
        .where(BillingRunSlice.run_id == run_id, BillingRunSlice.done)
        .order_by(BillingRunSlice.phase, BillingRunSlice.position)
    ).all()


def standing_warnings(session: Session) -> dict[str, str]:
    """Why each subscription that cannot be billed cannot, by its id: the last run that was to bill it warned of it."""
    completed = (BillingRun.status == RunStatus.COMPLETED, BillingRun.dry_run.is_(False))
    whole = (*completed, BillingRun.subscription_id.is_(None))
    since = select(func.max(BillingRun.finished_at)).where(*whole).scalar_subquery()
    runs = session.execute(
        select(BillingRun.subscription_id, BillingRun.warnings)
        .where(*completed, BillingRun.finished_at >= func.coalesce(since, text("'-infinity'")))
        .order_by(BillingRun.finished_at)
    )
    found: dict[str, str] = {}
    for run in runs:
        found.pop(run.subscription_id, None)
        found |= {warning["subscriptionId"]: warning["detail"] for warning in run.warnings}
    return found


def stalled(session: Session, *, before: datetime) -> list[UUID]:
    """The ids of unfinished runs on which no worker has worked since ``before``."""
    return list(
        session.scalars(
            select(BillingRun.id)
            .where(BillingRun.status.not_in((RunStatus.COMPLETED, RunStatus.FAILED)), BillingRun.heartbeat_at < before)
            .order_by(BillingRun.id)
        )
    )
