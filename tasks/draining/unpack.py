"""Reads an entry of the inbox; one that cannot be read goes to quarantine."""

from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Engine

from tasks.inbox.protocol import Entry
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.metering.recording import Recording, decode_recordings
from usage_billing.metering.service import quarantine_broken


def unpack(entry: Entry, engine: Engine) -> list[Recording]:
    """The recordings of ``entry``. An entry that cannot be decoded goes to quarantine whole, and gives none."""
    try:
        return decode_recordings(entry.data)
    except ValueError as error:  # msgspec's errors are ValueErrors, and so is UnicodeDecodeError
        set_entry_aside(entry, engine, detail=str(error))
        return []


def set_entry_aside(entry: Entry, engine: Engine, *, detail: str) -> None:
    """Put a whole entry into quarantine. Its row's id comes from the entry's id, so doing it twice stores one row."""
    entry_id = uuid5(NAMESPACE_OID, f"usage-billing:inbox:{entry.id}")
    with transaction(engine) as session:
        quarantine_broken(session, id=entry_id, data=entry.data, detail=detail, now=utc_now())
