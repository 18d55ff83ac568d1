"""Recording a file that was checked, batch by batch, each in a transaction; or only counting what is new in it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from usage_billing.cli.frame.database import actor
from usage_billing.cli.importing.source import Keyed, Source
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import read_only, transaction
from usage_billing.flows.recording.import_usage import BATCH, ImportOutcome, import_batch
from usage_billing.metering.queries import known_ids, recorded_keys
from usage_billing.metering.recording import Recording


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


def record_file(engine: Engine, source: Source) -> ImportOutcome:
    """Record the good lines of the file, a batch in a transaction.

    Raises Unavailable when the database stops answering: what earlier batches recorded stays recorded.
    """
    total = ImportOutcome()
    for batch in _batches(source.keyed("recording")):
        try:
            with transaction(engine) as session:
                recordings = [line.recording for line in batch]
                total.add(import_batch(session, recordings, name=source.name, actor=actor(), now=utc_now()))
        except Unavailable as error:
            raise Unavailable(
                f"{error.message}; {total.recorded} lines are recorded: import the file again, none is recorded twice"
            ) from error
    return total


def rehearse_file(engine: Engine, source: Source) -> Rehearsal:
    """Count which good lines of the file the books already have; record nothing."""
    found = Rehearsal()
    for batch in _batches(source.keyed("looking")):
        with read_only(engine) as session:
            known = _known(session, [line.recording for line in batch])
        for line in batch:
            found.add(line.recording, known=line.repeated or line.recording.id in known)
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
