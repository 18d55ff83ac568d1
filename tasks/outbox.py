"""Relays the outbox's facts after their commit: each to the log ``usage_billing.facts``.

What became final is asked for as a PDF in the transaction that notes the fact as relayed.
"""

import logging
import time
from uuid import UUID

from tasks import base
from tasks.celery import app
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.documents.requests import ask_for
from usage_billing.flows.billing.facts import FINALIZED
from usage_billing.outbox.service import mark_relayed, waiting

# A large run finalizes as many invoices as there are subscriptions, so a turn has an end. It is shorter than the 5 s
# after which beat sends the next relay: two relays at a time would tell the same facts.
_TURN_SECONDS = 4.0

_facts = logging.getLogger("usage_billing.facts")


@app.task(name="outbox.relay")
def relay() -> None:
    """Relay the waiting facts, oldest first, each at least once, until none waits or the turn is over."""
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
            ask_for(session, [UUID(one.payload["invoiceId"]) for one in messages if one.topic == FINALIZED])
            mark_relayed(session, [message.id for message in messages], now=utc_now())
    return bool(messages)
