"""Forgetting what was kept for a while only."""

from tasks import base
from tasks.celery import app
from usage_billing.access.admin_requests import prune_requests
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.sessions.operators import prune_operator_sessions
from usage_billing.sessions.service import prune_sessions


@app.task(name="housekeeping.prune")
def prune() -> None:
    """Forget answers to administrators' requests, and sessions on pages, that are over for a day."""
    with transaction(base.engine()) as session:
        prune_requests(session, now=utc_now())
        prune_sessions(session, now=utc_now())
        prune_operator_sessions(session, now=utc_now())
