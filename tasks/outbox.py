"""Relaying facts to whoever listens, after the commit. Today that is the log; webhooks and e-mail will follow."""

import logging
import time

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.outbox.service import mark_relayed, waiting

# A large run finalizes as many invoices as there are subscriptions. Less than the 5 s after which beat sends the next:
# two at a time would tell the same.
_TURN_SECONDS = 4.0

_facts = logging.getLogger("usage_billing.facts")


@app.task(name="outbox.relay")
def relay() -> None:
    """Tell what waits, oldest first, at least once, until nothing does or a turn is over."""
    ends = time.monotonic() + _TURN_SECONDS
    while _relay_some() and time.monotonic() < ends and not base.stopping():
        pass


def _relay_some() -> bool:
    with transaction(base.engine()) as session:
        messages = waiting(session)
    for message in messages:
        _facts.info(message.topic, extra={"fact": message.payload, "outboxId": message.id})
    if messages:
        with transaction(base.engine()) as session:
            mark_relayed(session, [message.id for message in messages], now=utc_now())
    return bool(messages)
