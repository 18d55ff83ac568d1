"""Records one use that an administrator types in."""

from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.flows.recording.record_usage import record_batch
from usage_billing.metering.recording import Recording


def record_by_hand(session: Session, recording: Recording, *, actor: str, now: datetime) -> None:
    """Record in the caller's transaction. What cannot be counted goes to quarantine; a repeated key counts once."""
    record_batch(session, [recording])
    note(session, actor=actor, action="usage.recorded", subject=f"usage:{recording.id}", at=now)
