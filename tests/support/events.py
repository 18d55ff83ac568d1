"""Events: relayed as the workers' task does."""

from sqlalchemy import Engine

from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.relay_events import relay_events


def relayed(engine: Engine) -> int:
    """Relay all facts that wait; returns how many events they became."""
    count = 0
    while True:
        with transaction(engine) as session:
            events = relay_events(session, now=utc_now())
        if not events:
            return count
        count += len(events)
