"""Recordings, and putting them straight into the books."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy.orm import Session

from usage_billing.core.identifiers import new_id
from usage_billing.flows.recording.record_usage import Outcome, record_batch
from usage_billing.metering.recording import Recording


def make_recording(
    *,
    now: datetime,
    quantity: str | int = 1,
    customer: str = "user123",
    subscription: str = "sub456",
    usage_type: str = "assessment",
    metadata: str = "{}",
    occurred_at: datetime | None = None,
    source: str = "",
    key: str = "",
) -> Recording:
    """A recording as the API would accept it at ``now``."""
    return Recording(
        id=new_id(),
        customer_id=customer,
        subscription_id=subscription,
        usage_type=usage_type,
        quantity=Decimal(quantity),
        metadata=metadata,
        occurred_at=occurred_at or now,
        received_at=now,
        timed=occurred_at is not None,
        source=source,
        key=key,
    )


def record(session: Session, *recordings: Recording) -> Outcome:
    """Count these recordings now, without the inbox."""
    return record_batch(session, recordings)
