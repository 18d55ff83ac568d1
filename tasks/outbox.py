"""Relays facts after their commit: each becomes an event, and a line in the log ``usage_billing.facts``."""

import logging
import time
from contextlib import suppress

from kombu.exceptions import OperationalError

from tasks import base
from tasks.celery import app
from usage_billing.core import crash
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.relay_events import relay_events
from usage_billing.outbox.rendering import event_id

# A large run finalizes as many invoices as there are subscriptions, so a turn has an end. It is shorter than the 5 s
# after which beat sends the next relay.
_TURN_SECONDS = 4.0
# While recordings come, how much longer than it worked the relay rests before it goes on, as far as its turn allows.
_REST = 4

_facts = logging.getLogger("usage_billing.facts")


@app.task(name="outbox.relay")
def relay() -> None:
    """Relay the waiting facts, oldest first, until none waits or the turn is over."""
    ends, any_told = time.monotonic() + _TURN_SECONDS, False
    began = time.monotonic()
    while _relay_some() and time.monotonic() < ends and not base.stopping():
        any_told = True
        _rest(since=began, until=ends)
        began = time.monotonic()
    if any_told:
        with suppress(OperationalError):  # beat sends one within 5 s
            app.send_task("webhooks.deliver", expires=5)
            if base.settings().mail_server is not None:
                app.send_task("mail.deliver", expires=5)


def _rest(*, since: float, until: float) -> None:
    """Leave the machine to recordings while they come, after work ``since`` then, at most ``until`` the turn ends."""
    if base.recordings_come():
        now = time.monotonic()
        time.sleep(max(min(_REST * (now - since), until - now), 0))


def _relay_some() -> bool:
    """Logged before the commit: a fact may stand in the log twice, and is never missing there."""
    with transaction(base.engine()) as session:
        events = relay_events(session, now=utc_now())
        for event in events:
            _facts.info(event.topic, extra={"fact": event.payload, "eventId": event_id(event.public_id)})
        crash.point("relay.before_commit")
    return bool(events)
