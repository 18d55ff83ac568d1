"""Runs that a command drives to their end itself, beside any workers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from usage_billing.cli.frame.output import progress

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from usage_billing.billing_runs.models import BillingRun
    from usage_billing.flows.billing.drive_run import Progress
    from usage_billing.settings import Settings


def drive(settings: Settings, engine: Engine, opening: Callable[[Session], BillingRun]) -> BillingRun:
    """The run that ``opening`` opens, at its end; how far it is is shown on stderr."""
    from usage_billing.db.session import transaction
    from usage_billing.flows.billing.drive_run import run_to_end

    with transaction(engine) as session:
        run_id = opening(session).id
    with progress() as bar:
        task = bar.add_task("opening", total=None)

        def show(at: Progress) -> None:
            bar.update(task, description=at.stage, completed=at.done, total=at.total)

        return run_to_end(
            engine,
            run_id,
            settings_grace=timedelta(seconds=settings.grace_seconds),
            on_progress=show,
            adjust_within=settings.adjust_within,
        )
