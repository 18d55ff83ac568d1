"""Sends events to endpoints, and forgets what was sent long ago."""

import time
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache

from kombu.exceptions import OperationalError

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.carry_webhooks import WebhookCarrier
from usage_billing.flows.delivering.drive_deliveries import Courier
from usage_billing.flows.delivering.forget_events import forget_events

# Shorter than the 5 s after which beat sends the next: the relay and documents get their turns in between.
_TURN = timedelta(seconds=4)
# While recordings come: drains get their turns in between.
_SHORT_TURN = timedelta(seconds=1)


@lru_cache(maxsize=1)
def courier() -> Courier:
    """What this process sends with. It outlives a turn: an endpoint that hangs is waited for beside what comes next."""
    settings = base.settings()
    carrier = WebhookCarrier(settings.require_secret(), settings.webhook_networks_allowed)
    return Courier(base.engine(), carrier, gives_way=base.recordings_come)


@app.task(name="webhooks.deliver")
def deliver() -> None:
    """Send what is due until nothing is left or the turn is over. After a short turn another one is woken."""
    length = _SHORT_TURN if base.recordings_come() else _TURN
    began = time.monotonic()
    tried = courier().turn(length, stopping=base.stopping)
    if tried and length == _SHORT_TURN and time.monotonic() - began >= length.total_seconds():
        # Each turn that beat or the relay wakes goes on so. Those that have to wait are dropped: else all of them would
        # keep the queue so full that the relay, mail and documents expire in it.
        with suppress(OperationalError):  # beat sends one within 5 s
            app.send_task("webhooks.deliver", expires=1)


@app.task(name="webhooks.prune")
def prune() -> None:
    """Forget bodies and deliveries of events of more than 90 days ago, and tries of more than 30 days ago."""
    while not base.stopping():
        with transaction(base.engine()) as session:
            if not forget_events(session, now=utc_now()):
                return
