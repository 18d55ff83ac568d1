"""Billing runs as tests need them: opened and driven to their end in this process."""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from usage_billing.billing_runs.models import BillingRun
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run

GRACE = timedelta(hours=1)


def opened(
    engine: Engine, as_of: datetime, *, only: str | None = None, dry_run: bool = False, now: datetime | None = None
) -> BillingRun:
    """A run that no worker has begun."""
    with transaction(engine) as session:
        request = RunRequest(as_of=as_of, subscription_id=only, dry_run=dry_run)
        return open_run(session, request, requested_by="test", now=now or as_of)


def driven(engine: Engine, run: BillingRun, *, grace: timedelta = GRACE) -> BillingRun:
    """The run at its end."""
    return run_to_end(engine, run.id, settings_grace=grace, on_progress=lambda _: None)


def bill(
    engine: Engine,
    as_of: datetime,
    *,
    only: str | None = None,
    dry_run: bool = False,
    now: datetime | None = None,
    grace: timedelta = GRACE,
) -> BillingRun:
    """A whole run over what is due as of ``as_of``."""
    return driven(engine, opened(engine, as_of, only=only, dry_run=dry_run, now=now), grace=grace)
