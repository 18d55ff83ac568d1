"""Finds the recording that ends its worker, or hangs it, in a batch that did so several times.

Before the drain tries a recording alone, it tells the inbox the recording's id. If the drain then dies, the next drain
of the shard reads that id and sets the recording aside. Setting aside looks into the books first: a recording that was
committed all the same stays there.
"""

import logging
from collections.abc import Callable, Sequence

from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import Engine

from tasks import tally
from tasks.draining.batch import note
from tasks.draining.unpack import set_entry_aside, unpack
from tasks.inbox.protocol import Entry, Inbox
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import transaction
from usage_billing.db.words import plain_words
from usage_billing.flows.recording.record_usage import record_batch, set_aside
from usage_billing.metering.queries import known_ids
from usage_billing.metering.recording import Recording

_ENTRY = "entry:"
_DETAIL = "the workers that tried to count it died or hung, several times"

_log = logging.getLogger(__name__)


def record_one_by_one(
    shard: int, entries: Sequence[Entry], *, inbox: Inbox, engine: Engine, is_over: Callable[[], bool]
) -> int:
    """Record each recording of ``entries`` in a transaction of its own; returns how many recordings were taken.

    Ends early when ``is_over`` says so; the entries not yet deleted stay in the inbox. Raises Unavailable.
    """
    taken = 0
    for entry in entries:
        inbox.try_alone(shard, _ENTRY + entry.id)
        for recording in _unknown(unpack(entry, engine), engine):
            if is_over():
                inbox.try_alone(shard, "")  # this drain ends in order: the next must not suspect the last recording
                return taken
            inbox.try_alone(shard, str(recording.id))
            _record_alone(recording, engine)
        inbox.delete(shard, [entry], searching=True)
        taken += entry.count
    inbox.forgive(shard)
    return taken


def set_suspect_aside(suspect: str, shard: int, entries: Sequence[Entry], *, inbox: Inbox, engine: Engine) -> None:
    """Quarantine ``suspect``, which an earlier drain tried alone and did not survive.

    ``suspect`` is ``entry:`` and an entry's id, or a recording's id. The shard's tries are forgotten, so the next drain
    tries the other recordings together again.
    """
    if suspect.startswith(_ENTRY):
        for entry in entries:
            if _ENTRY + entry.id == suspect:
                _log.error("set aside: reading entry %s ended its reader", entry.id)
                set_entry_aside(entry, engine, detail=_DETAIL)
                inbox.delete(shard, [entry])
    for entry in entries:
        if suspect.encode() in entry.data:
            for recording in unpack(entry, engine):
                if str(recording.id) == suspect:
                    _set_aside(recording, engine, _DETAIL)
    inbox.forgive(shard)


def _unknown(recordings: Sequence[Recording], engine: Engine) -> list[Recording]:
    """The recordings of ``recordings`` that no earlier drain put into the books."""
    with transaction(engine) as session:
        known = known_ids(session, [recording.id for recording in recordings])
    return [recording for recording in recordings if recording.id not in known]


def _record_alone(recording: Recording, engine: Engine) -> None:
    try:
        with transaction(engine) as session:
            outcome = record_batch(session, [recording])
        note(outcome)
    except (Unavailable, SoftTimeLimitExceeded):
        raise  # a server's trouble is no recording's fault; after a time limit the inbox names the suspect to the next
    except Exception as error:
        _log.exception("could not be recorded", extra={"eventId": str(recording.id)})
        _set_aside(recording, engine, plain_words(error))


def _set_aside(recording: Recording, engine: Engine, detail: str) -> None:
    with transaction(engine) as session:
        if set_aside(session, recording, detail=detail):
            tally.count(tally.RECORDINGS, "quarantined")
            _log.error("set aside: %s", detail, extra={"eventId": str(recording.id)})
