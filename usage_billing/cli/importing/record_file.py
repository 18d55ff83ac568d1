"""Recording a file that was checked, batch by batch, each in a transaction; or only counting what is new in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from usage_billing.catalog.quantity_versions import quantities_of, types_that_make_quantities
from usage_billing.cli.frame.database import actor
from usage_billing.cli.frame.output import progress, tell
from usage_billing.cli.importing.forks import Forks
from usage_billing.cli.importing.source import Checked, Keyed, Source
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording.import_usage import BATCH, FileName, ImportOutcome, import_batch
from usage_billing.flows.recording.quantified import has_content_of
from usage_billing.metering.queries import RecordingKey, known_ids, recorded_keys
from usage_billing.metering.recording import Recording

# So many processes record, and as many of PostgreSQL work for them.
_RECORDERS = 2
# A batch ends with so many characters of metadata.
_MOST_CHARACTERS = 1 << 22


@dataclass(slots=True)
class Rehearsal:
    """What an import would meet: recordings that the books do not have, those that they have or that the file has
    twice, those whose key has other content there, and the first and the last time at which something was used.
    """

    new: int = 0
    known: int = 0
    conflicting: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, recording: Recording, *, is_same: bool | None) -> None:
        """Count one recording. ``is_same`` says whether an earlier one under its key has its content, None if none is
        there.
        """
        self.new += is_same is None
        self.known += is_same is True
        self.conflicting += is_same is False
        at = recording.occurred_at
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)


@dataclass(slots=True)
class _Recorder:
    """Records lines of the file called ``name``, in a process of its own.

    Keys are taken to be new until one is in the books; from then on every batch has its keys looked up.
    """

    engine: Engine
    name: FileName
    actor: str
    _wary: bool = False

    def record(self, lines: Iterable[Keyed]) -> Iterator[ImportOutcome]:
        """Record ``lines``, a batch in a transaction; yields what became of each that is committed."""
        for batch in _batches(lines):
            yield self._write([line.recording for line in batch])

    def _write(self, recordings: Sequence[Recording]) -> ImportOutcome:
        if not self._wary:
            try:
                return self._in_a_transaction(recordings, keys_are_new=True)
            except IntegrityError:
                self._wary = True
        return self._in_a_transaction(recordings, keys_are_new=False)

    def _in_a_transaction(self, recordings: Sequence[Recording], *, keys_are_new: bool) -> ImportOutcome:
        with transaction(self.engine) as session:
            return import_batch(
                session, recordings, name=self.name, actor=self.actor, now=utc_now(), keys_are_new=keys_are_new
            )


def record_file(engine: Engine, source: Source, checked: Checked) -> ImportOutcome:
    """Record the good lines of the file, a batch in a transaction; no two recorders have lines of one shard.

    Raises Unavailable when the database stops answering: what earlier batches recorded stays recorded.
    """
    recorder, total = _Recorder(engine, source.name, actor()), ImportOutcome()
    shards = [source.keyed(lines, checked.repeats) for lines in checked.spool.shards()]
    engine.dispose()  # every recorder connects for itself
    forks = Forks([partial(recorder.record, lines) for lines in shards], processes=_RECORDERS)
    with progress() as bar:
        task = bar.add_task("recording", total=checked.spool.lines)

        def add(outcome: ImportOutcome) -> None:
            total.add(outcome)
            bar.advance(task, outcome.lines)

        try:
            forks.gather(add)
        except KeyboardInterrupt:
            tell(
                f"stopped: {total.lines} of {checked.spool.lines} lines are done, {total.recorded} of them recorded;"
                " import the file again to go on, none is recorded twice"
            )
            raise
        except Unavailable as error:
            raise Unavailable(
                f"{error.message}; {total.recorded} lines are recorded: import the file again, none is recorded twice"
            ) from error
    return total


def rehearse_file(engine: Engine, source: Source, checked: Checked) -> Rehearsal:
    """Count which good lines of the file the books already have; record nothing."""
    found, earlier = Rehearsal(), dict[RecordingKey, Recording]()
    with progress() as bar:
        task = bar.add_task("looking", total=checked.spool.lines)
        for batch in _batches(source.keyed(chain.from_iterable(checked.spool.shards()), checked.repeats)):
            with read_only(engine) as session:
                ids = known_ids(session, (line.recording.id for line in batch))
                recorded = recorded_keys(session, [_key(line.recording) for line in batch])
                quantities = quantities_of(session, types_that_make_quantities(session))
            for line in batch:
                recording, key = line.recording, _key(line.recording)
                before = recorded.get(key) or earlier.get(key)
                is_same = None if before is None else has_content_of(recording, before, quantities)
                found.add(recording, is_same=True if recording.id in ids else is_same)
                if line.may_repeat:
                    earlier.setdefault(key, recording)
            bar.advance(task, len(batch))
    return found


def _key(recording: Recording) -> RecordingKey:
    return recording.subscription_id, recording.source, recording.key


def _batches(lines: Iterable[Keyed]) -> Iterator[list[Keyed]]:
    """At most ``BATCH`` lines at a time, and fewer where their metadata are long."""
    batch, characters = list[Keyed](), 0
    for line in lines:
        batch.append(line)
        characters += len(line.recording.metadata)
        if len(batch) >= BATCH or characters >= _MOST_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
