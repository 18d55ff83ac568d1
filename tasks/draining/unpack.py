"""What an entry of the inbox holds."""

from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Engine

from tasks.inbox.protocol import Entry
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.metering.recording import Recording, decode_recordings
from usage_billing.metering.service import quarantine_broken


def unpack(entry: Entry, engine: Engine) -> list[Recording]:
    """The recordings of ``entry``; one that holds none goes to quarantine as it is."""
    try:
        return decode_recordings(entry.data)
    except ValueError as error:  # msgspec's errors are, and so is what it raises for bytes that are no UTF-8
        set_entry_aside(entry, engine, detail=str(error))
        return []


def set_entry_aside(entry: Entry, engine: Engine, *, detail: str) -> None:
    """Put a whole entry into quarantine; twice is once."""
    entry_id = uuid5(NAMESPACE_OID, f"usage-billing:inbox:{entry.id}")
    with transaction(engine) as session:
        quarantine_broken(session, id=entry_id, data=entry.data, detail=detail, now=utc_now())
