"""Relaying facts to whoever listens, after the commit. Today that is the log; webhooks and e-mail will follow."""

import logging

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.outbox.service import mark_relayed, waiting

_facts = logging.getLogger("usage_billing.facts")


@app.task(name="outbox.relay")
def relay() -> None:
    """Tell what waits, oldest first, at least once."""
    with transaction(base.engine()) as session:
        messages = waiting(session)
    for message in messages:
        _facts.info(message.topic, extra={"fact": message.payload, "outboxId": message.id})
    if messages:
        with transaction(base.engine()) as session:
            mark_relayed(session, [message.id for message in messages], now=utc_now())
