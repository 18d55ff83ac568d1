"""Recording a file that was checked, batch by batch, each in a transaction; or only counting what is new in it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import chain, islice
from threading import Event, Lock

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from usage_billing.cli.frame.database import actor
from usage_billing.cli.frame.output import progress
from usage_billing.cli.importing.source import Checked, Keyed, Source
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording.import_usage import BATCH, FileName, ImportOutcome, import_batch
from usage_billing.metering.queries import known_ids, recorded_keys
from usage_billing.metering.recording import Recording

# One computes while the statements of another run.
_RECORDERS = 2


@dataclass(slots=True)
class Rehearsal:
    """What an import would meet: recordings that the books do not have, those that they have or that the file has
    twice, and the first and the last time at which something was used.
    """

    new: int = 0
    known: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, recording: Recording, *, known: bool) -> None:
        """Count one recording."""
        self.known += known
        self.new += not known
        at = recording.occurred_at
        self.first = min(self.first or at, at)
        self.last = max(self.last or at, at)


@dataclass(slots=True)
class _Recorders:
    """Record lines of one file, several at once, until one of them fails. ``total`` is what is committed."""

    engine: Engine
    name: FileName
    actor: str
    total: ImportOutcome = field(default_factory=ImportOutcome)
    _counting: Lock = field(default_factory=Lock)
    _stopped: Event = field(default_factory=Event)

    def record(self, lines: Iterable[Keyed], advance: Callable[[int], None]) -> None:
        """Record ``lines``, a batch in a transaction; tells ``advance`` how many lines each had."""
        for batch in _batches(lines):
            if self._stopped.is_set():
                return
            recordings = [line.recording for line in batch]
            with transaction(self.engine) as session:
                outcome = import_batch(session, recordings, name=self.name, actor=self.actor, now=utc_now())
            with self._counting:
                self.total.add(outcome)
            advance(len(batch))

    def stop(self) -> None:
        """Begin no further batch."""
        self._stopped.set()


def record_file(engine: Engine, source: Source, checked: Checked) -> ImportOutcome:
    """Record the good lines of the file, a batch in a transaction; no two recorders have lines of one shard.

    Raises Unavailable when the database stops answering: what earlier batches recorded stays recorded.
    """
    recorders = _Recorders(engine, source.name, actor())
    with progress() as bar, ThreadPoolExecutor(_RECORDERS) as pool:
        advance = partial(bar.advance, bar.add_task("recording", total=checked.spool.lines))
        shards = [source.keyed(lines, checked.repeats) for lines in checked.spool.shards()]
        running = [pool.submit(recorders.record, lines, advance) for lines in shards]
        try:
            for one in as_completed(running):
                one.result()
        except Unavailable as error:
            recorders.stop()
            wait(running)
            raise Unavailable(
                f"{error.message}; {recorders.total.recorded} lines are recorded: import the file again, none is"
                " recorded twice"
            ) from error
        finally:
            recorders.stop()
    return recorders.total


def rehearse_file(engine: Engine, source: Source, checked: Checked) -> Rehearsal:
    """Count which good lines of the file the books already have; record nothing."""
    found = Rehearsal()
    with progress() as bar:
        task = bar.add_task("looking", total=checked.spool.lines)
        for batch in _batches(source.keyed(chain.from_iterable(checked.spool.shards()), checked.repeats)):
            with read_only(engine) as session:
                known = _known(session, [line.recording for line in batch])
            for line in batch:
                found.add(line.recording, known=line.repeated or line.recording.id in known)
            bar.advance(task, len(batch))
    return found


def _known(session: Session, recordings: list[Recording]) -> set[object]:
    """The ids of those recordings whose id or key is in the books."""
    recorded = recorded_keys(session, [(r.subscription_id, r.source, r.key) for r in recordings])
    by_key = {r.id for r in recordings if (r.subscription_id, r.source, r.key) in recorded}
    return by_key | known_ids(session, (r.id for r in recordings))


def _batches(lines: Iterable[Keyed]) -> Iterator[list[Keyed]]:
    iterator = iter(lines)
    while batch := list(islice(iterator, BATCH)):
        yield batch
