"""Finds a recording wherever it is: in the books, or still in the inbox."""

from uuid import UUID

from api import enqueue
from api.state import state
from usage_billing.db.session import read_only
from usage_billing.reports.record_status import RecordStatus, recorded_status, waiting_status

# The version of our ids, and the times in them in milliseconds since 1970.
_VERSION, _YEAR_2001, _YEAR_6429 = 7, 10**12, 2**47


def find_record(record_id: UUID) -> RecordStatus | None:
    """Look in the books, then in the inbox, then in the books again: a drain may have moved the recording meanwhile."""
    for look in (_in_the_books, _among_the_waiting, _in_the_books):
        found = look(record_id)
        if found is not None:
            return found
    return None


def _in_the_books(record_id: UUID) -> RecordStatus | None:
    with read_only(state().engine) as session:
        return recorded_status(session, record_id)


def _among_the_waiting(record_id: UUID) -> RecordStatus | None:
    if not _is_one_of_ours(record_id):
        return None
    recording = enqueue.find_waiting(record_id)
    return None if recording is None else waiting_status(recording)


def _is_one_of_ours(record_id: UUID) -> bool:
    """Whether the id has a time that the inbox can search by; a made-up id may have a time outside every calendar."""
    return record_id.version == _VERSION and _YEAR_2001 < record_id.int >> 80 < _YEAR_6429
