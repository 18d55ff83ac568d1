"""Writes entries of the inbox into the books, at most ``batch`` recordings in a transaction.

One bad recording never fails its neighbours. If a recording makes its batch fail, the batch is halved until that
recording stands alone, and the recording goes to quarantine with its error.

A batch is first written without looking its idempotency keys up. If the unique index refuses it, it is written again
with the look-up. For ``WARY_SECONDS`` after a repeated key this process looks up the keys of every batch: a sender who
repeats one key is likely to repeat more. The look-up is an eighth of what a recording costs.
"""

import logging
import time
from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from tasks import tally
from tasks.draining.unpack import unpack
from tasks.inbox.protocol import Entry
from usage_billing.core import crash
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import transaction
from usage_billing.db.words import plain_words
from usage_billing.flows.recording.record_usage import ITS_OWN_FAULT, Outcome, record_batch, set_aside
from usage_billing.metering.recording import Recording
from usage_billing.subscriptions.kept_terms import KeptTerms

# A batch of at most so many recordings logs a line for each.
_FEW = 20
# For so many seconds after a repeated key, idempotency keys are looked up before a batch is written.
WARY_SECONDS = 60

_log = logging.getLogger(__name__)


class Wariness:
    """True while this process looks idempotency keys up: for ``WARY_SECONDS`` after the last repeated key."""

    def __init__(self) -> None:
        self._ends = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._ends

    def renew(self) -> None:
        """Note that a key was repeated just now."""
        self._ends = time.monotonic() + WARY_SECONDS


_wary = Wariness()
_terms = KeptTerms()


def record_entries(entries: Sequence[Entry], engine: Engine, *, batch: int) -> int:
    """Record all of ``entries``, up to ``batch`` recordings in a transaction; returns how many. Raises Unavailable."""
    recordings = [recording for entry in entries for recording in unpack(entry, engine)]
    for start in range(0, len(recordings), batch):
        _record(recordings[start : start + batch], engine)
    return len(recordings)


def _record(recordings: Sequence[Recording], engine: Engine) -> None:
    try:
        outcome = _write(recordings, engine)
    except Unavailable:
        raise
    except ITS_OWN_FAULT as error:
        _divide(recordings, engine, error)
        return
    note(outcome)
    for refused in outcome.quarantined:
        _log.warning("quarantined: %s", refused.detail, extra={"eventId": str(refused.recording.id)})
    # A busy shard would log more lines than it writes rows. Only a small batch is logged recording by recording.
    for recording in recordings if len(recordings) <= _FEW else ():
        _log.info("in the books", extra={"eventId": str(recording.id)})
    _log.info(
        "recorded %d, repeated %d, quarantined %d",
        outcome.recorded,
        len(outcome.duplicates) + outcome.known,
        len(outcome.quarantined),
    )


def note(outcome: Outcome) -> None:
    """Count what became of a batch, for the figures."""
    tally.count(tally.RECORDINGS, "recorded", number=outcome.recorded)
    tally.count(tally.RECORDINGS, "duplicate", number=len(outcome.duplicates))
    tally.count(tally.RECORDINGS, "quarantined", number=len(outcome.quarantined))


def _write(recordings: Sequence[Recording], engine: Engine) -> Outcome:
    if not _wary:
        try:
            return _in_a_transaction(recordings, engine, keys_are_new=True)
        except IntegrityError:
            _wary.renew()
    outcome = _in_a_transaction(recordings, engine, keys_are_new=False)
    if outcome.duplicates:
        _wary.renew()
    return outcome


def _in_a_transaction(recordings: Sequence[Recording], engine: Engine, *, keys_are_new: bool) -> Outcome:
    with transaction(engine) as session:
        outcome = record_batch(
            session, recordings, keys_are_new=keys_are_new, read_terms=_terms.customers_and_timelines
        )
        crash.point("drain.committing")
    return outcome


def _divide(recordings: Sequence[Recording], engine: Engine, error: Exception) -> None:
    if len(recordings) > 1:
        middle = len(recordings) // 2
        _record(recordings[:middle], engine)
        _record(recordings[middle:], engine)
        return
    _log.error("could not be recorded", exc_info=error, extra={"eventId": str(recordings[0].id)})
    with transaction(engine) as session:
        set_aside(session, recordings[0], detail=plain_words(error))
    tally.count(tally.RECORDINGS, "quarantined")
