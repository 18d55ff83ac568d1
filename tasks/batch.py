"""Entries of the inbox into the books, as many as go into a transaction.

One bad recording never fails its neighbours. A batch that a recording makes fail is halved until that one stands
alone, and it goes to quarantine with its error.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError

from tasks.inbox import Entry
from tasks.unpack import unpack
from usage_billing.core import crash
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import transaction
from usage_billing.flows.record_usage import record_batch, set_aside
from usage_billing.metering.recording import Recording

BATCH = 2000
_FEW = 20

# What a recording's own content can cause. Anything else may be the system's trouble.
_ITS_OWN_FAULT = (DataError, IntegrityError, ValueError, ArithmeticError, TypeError, KeyError)

_log = logging.getLogger(__name__)


def record_entries(entries: Sequence[Entry], engine: Engine) -> int:
    """Record what ``entries`` hold; returns how many recordings that were. Raises Unavailable."""
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
    for recording in recordings if len(recordings) <= _FEW else ():
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
