"""From the inbox to the books: read, record in one transaction, delete, until nothing waits.

One bad recording never fails its neighbours. A batch that a recording makes fail is halved until that one stands
alone, and it goes to quarantine with its error. A batch that ends its worker, or hangs it, three times is then
recorded one by one, and the one that does it again is set aside without another try. When the database or the inbox
does not answer nothing is tried and nothing held against anybody: the shard pauses.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError

from tasks.alone import record_one_by_one, set_suspect_aside
from tasks.inbox import Entry, Inbox
from tasks.unpack import unpack
from usage_billing.core import crash
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.locks import try_lock_drain
from usage_billing.db.session import transaction
from usage_billing.flows.record_usage import record_batch, set_aside
from usage_billing.metering.recording import Recording

BATCH = 2000
# Below this, waiting a moment for more company is cheaper than a transaction and a task for each.
SMALL_BATCH = 200
FEW = 20
LINGER_SECONDS = 0.03
# Give the process back after this, so that one busy shard does not starve the others.
TURN_SECONDS = 20.0
# So often a batch is tried as a whole; before the second time 1 s passes, before the third 2 s.
MAX_TRIES = 3
PAUSE_SECONDS = 5

# What a recording's own content can cause. Anything else may be the system's trouble.
_ITS_OWN_FAULT = (DataError, IntegrityError, ValueError, ArithmeticError, TypeError, KeyError)

_log = logging.getLogger(__name__)


def drain_shard(shard: int, *, inbox: Inbox, engine: Engine, stopping: Callable[[], bool] = lambda: False) -> int:
    """Record what waits in ``shard`` until nothing does, a turn is over, or this process is ``stopping``.

    Returns how many recordings were taken; none when somebody else is at it, who will look again before resting.
    Raises Unavailable, with everything not yet recorded still in the inbox and the shard paused.
    """
    taken, turn_ends = 0, time.monotonic() + TURN_SECONDS

    def is_over() -> bool:
        return stopping() or time.monotonic() > turn_ends

    try:
        while True:
            # The lock goes with the transaction, and that with this process, whatever ends it.
            with transaction(engine) as guard:
                if not try_lock_drain(guard, shard):
                    return taken
                taken += _empty(shard, inbox, engine, is_over)
            if inbox.rest(shard):
                return taken
            if is_over():
                inbox.nap(shard, seconds=0)
                return taken
    except Unavailable:
        with suppress(Unavailable):
            inbox.forgive(shard)
            inbox.nap(shard, seconds=PAUSE_SECONDS)
        raise


def _empty(shard: int, inbox: Inbox, engine: Engine, is_over: Callable[[], bool]) -> int:
    taken = 0
    while not is_over():
        entries = inbox.read(shard, at_most=BATCH)
        if not entries:
            break
        tries, suspect = inbox.take(shard, entries[0])
        crash.point("drain.taken")
        if suspect:
            set_suspect_aside(suspect, shard, entries, inbox=inbox, engine=engine)
            continue
        if tries > MAX_TRIES:
            _log.warning("shard %d: the same batch failed %d times, now each recording alone", shard, tries - 1)
            taken += record_one_by_one(shard, entries, inbox=inbox, engine=engine, is_over=is_over)
            continue
        if tries > 1:
            time.sleep(2 ** (tries - 2))
        count = _record_entries(entries, engine)
        crash.point("drain.recorded")
        inbox.delete(shard, entries)
        crash.point("drain.deleted")
        taken += count
        if count < SMALL_BATCH:
            time.sleep(LINGER_SECONDS)
    return taken


def _record_entries(entries: Sequence[Entry], engine: Engine) -> int:
    recordings = [recording for entry in entries for recording in unpack(entry, engine)]
    for start in range(0, len(recordings), BATCH):
        _record(recordings[start : start + BATCH], engine)
    return len(recordings)


def _record(recordings: Sequence[Recording], engine: Engine) -> None:
    try:
        with transaction(engine) as session:
            outcome = record_batch(session, recordings, now=utc_now())
            crash.point("drain.committing")
    except Unavailable:
        raise
    except _ITS_OWN_FAULT as error:
        _divide(recordings, engine, error)
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


def _divide(recordings: Sequence[Recording], engine: Engine, error: Exception) -> None:
    if len(recordings) > 1:
        middle = len(recordings) // 2
        _record(recordings[:middle], engine)
        _record(recordings[middle:], engine)
        return
    _log.error("could not be recorded", exc_info=error, extra={"eventId": str(recordings[0].id)})
    with transaction(engine) as session:
        set_aside(session, recordings[0], detail=f"{type(error).__name__}: {error}")
