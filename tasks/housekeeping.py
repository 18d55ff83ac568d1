"""Forgetting what was kept for a while only."""

from tasks import base
from tasks.celery import app
from usage_billing.access.admin_requests import prune_requests
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction


@app.task(name="housekeeping.prune")
def prune() -> None:
    """Forget the answers to administrators' requests that are older than a day."""
    with transaction(base.engine()) as session:
        prune_requests(session, now=utc_now())
