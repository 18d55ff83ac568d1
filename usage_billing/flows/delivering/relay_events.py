"""Facts become events after their commit: numbered, rendered, and handed to what waits for them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.core import crash
from usage_billing.db.locks import try_lock_relay
from usage_billing.documents.requests import ask_for
from usage_billing.outbox.rendering import NumberedEvent
from usage_billing.outbox.service import keep_bodies, number
from usage_billing.webhooks.deliveries import fan_out
from usage_billing.webhooks.queries import versions_in_use
from usage_billing.wire.event import VERSION
from usage_billing.wire.event_type import EventType

_AT_ONCE = 100


def relay_events(session: Session, *, now: datetime, at_most: int = _AT_ONCE) -> Sequence[NumberedEvent]:
    """Make events of the oldest facts that wait; none where another relay is at it.

    What became final is asked for as a PDF in the same transaction.
    """
    if not try_lock_relay(session):
        return ()
    events = number(session, now=now, at_most=at_most)
    crash.point("relay.numbered")
    if events:
        keep_bodies(session, events, {VERSION} | versions_in_use(session))
        fan_out(session, [event.id for event in events], now=now)
        finals = [UUID(one.payload["invoiceId"]) for one in events if one.topic == EventType.INVOICE_FINALIZED]
        ask_for(session, finals)
    return events
