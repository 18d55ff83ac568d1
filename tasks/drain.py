"""From the inbox to the books: read, record in one transaction, delete, until nothing waits.

One bad recording never fails its neighbours: a batch that a recording makes fail is halved until that one
stands alone, and it goes to quarantine with its error.
"""

import logging
import time
from collections.abc import Sequence
from uuid import NAMESPACE_OID, uuid5

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError

from tasks.inbox import Entry, Inbox
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import transaction
from usage_billing.flows.record_usage import record_batch
from usage_billing.metering.recording import Recording, decode_recordings
from usage_billing.metering.service import Refused, quarantine, quarantine_broken

BATCH = 2000
# Below this, waiting a moment for more company is cheaper than a transaction and a task for each.
SMALL_BATCH = 200
FEW = 20
LINGER_SECONDS = 0.03
# Give the process back after this, so that one busy shard does not starve the others.
TURN_SECONDS = 20.0

# What a recording's own content can cause. Anything else is the system's trouble and no reason to set it aside.
_ITS_OWN_FAULT = (DataError, IntegrityError, ValueError, ArithmeticError, TypeError, KeyError)

_log = logging.getLogger(__name__)


def drain_shard(shard: int, *, inbox: Inbox, engine: Engine) -> int:
    """Record everything that waits in ``shard``; returns how many recordings were taken.

    Raises Unavailable, with everything not yet recorded still in the inbox.
    """
    taken, turn_ends = 0, time.monotonic() + TURN_SECONDS
    while time.monotonic() < turn_ends:
        entries = inbox.read(shard, at_most=BATCH)
        if not entries:
            if inbox.rest(shard):
                break
            continue
        inbox.keep_awake(shard)
        count = _record_entries(entries, engine)
        inbox.delete(shard, entries)
        taken += count
        if count < SMALL_BATCH:
            time.sleep(LINGER_SECONDS)
    return taken


def _record_entries(entries: Sequence[Entry], engine: Engine) -> int:
    recordings: list[Recording] = []
    for entry in entries:
        try:
            recordings += decode_recordings(entry.data)
        except msgspec.MsgspecError as error:
            with transaction(engine) as session:
                entry_id = uuid5(NAMESPACE_OID, f"usage-billing:inbox:{entry.id}")
                quarantine_broken(session, id=entry_id, data=entry.data, detail=str(error), now=utc_now())
    for start in range(0, len(recordings), BATCH):
        _record(recordings[start : start + BATCH], engine)
    return len(recordings)


def _record(recordings: Sequence[Recording], engine: Engine) -> None:
    try:
        with transaction(engine) as session:
            outcome = record_batch(session, recordings, now=utc_now())
    except Unavailable:
        raise
    except _ITS_OWN_FAULT as error:
        _set_apart(recordings, engine, error)
        return
    for refused in outcome.quarantined:
        _log.warning("quarantined: %s", refused.detail, extra={"eventId": str(refused.recording.id)})
    # A busy shard would write more lines than rows; what came alone can be followed line by line.
    for recording in recordings if len(recordings) <= FEW else ():
        _log.info("in the books", extra={"eventId": str(recording.id)})
    _log.info(
        "recorded %d, repeated %d, quarantined %d",
        outcome.recorded,
        len(outcome.duplicates) + outcome.known,
        len(outcome.quarantined),
    )


def _set_apart(recordings: Sequence[Recording], engine: Engine, error: Exception) -> None:
    if len(recordings) > 1:
        middle = len(recordings) // 2
        _record(recordings[:middle], engine)
        _record(recordings[middle:], engine)
        return
    _log.error("could not be recorded", exc_info=error, extra={"eventId": str(recordings[0].id)})
    with transaction(engine) as session:
        quarantine(session, [Refused(recordings[0], "failed", f"{type(error).__name__}: {error}"[:2000])])
