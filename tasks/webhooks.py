"""Sends events to endpoints, and forgets what was sent long ago."""

from datetime import timedelta
from functools import lru_cache

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.carry_webhooks import WebhookCarrier
from usage_billing.flows.delivering.drive_deliveries import Courier
from usage_billing.flows.delivering.forget_events import forget_events

# Shorter than the 5 s after which beat sends the next: the relay and documents get their turns in between.
_TURN = timedelta(seconds=4)


@lru_cache(maxsize=1)
def courier() -> Courier:
    """What this process sends with. It outlives a turn: an endpoint that hangs is waited for beside what comes next."""
    settings = base.settings()
    return Courier(base.engine(), WebhookCarrier(settings.require_secret(), settings.webhook_networks_allowed))


@app.task(name="webhooks.deliver")
def deliver() -> None:
    """Send what is due until nothing is left or the turn is over."""
    courier().turn(_TURN, stopping=base.stopping)


@app.task(name="webhooks.prune")
def prune() -> None:
    """Forget bodies and deliveries of events of more than 90 days ago, and tries of more than 30 days ago."""
    while not base.stopping():
        with transaction(base.engine()) as session:
            if not forget_events(session, now=utc_now()):
                return
