"""Recording a file of usage: first every line is read, then batches are recorded, each in its transaction."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import Engine

from usage_billing.cli.frame.database import actor
from usage_billing.cli.frame.output import byte_progress
from usage_billing.cli.importing.import_file import Line, read_lines
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import InvalidInput, Unavailable
from usage_billing.db.session import transaction
from usage_billing.flows.recording.import_usage import BATCH, FileName, ImportOutcome, import_batch
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import parse_recording

_LISTED = 20


@dataclass(slots=True)
class BadLines:
    """Lines that are no recordings: how many, and the first of them with their reasons."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, reason: str) -> None:
        """Count line ``number``; keep its reason while there is room."""
        self.count += 1
        if len(self.first) < _LISTED:
            self.first.append((number, reason))


@dataclass(frozen=True, slots=True)
class Source:
    """An open file and how its lines are read at ``now``."""

    file: BinaryIO
    kind: str
    name: FileName
    now: datetime

    def recordings(self, bad: BadLines, advance: Callable[[int], None]) -> Iterator[Recording]:
        """Every good line; the others are added to ``bad``. ``advance`` is told how many bytes were read."""
        for line in read_lines(self.file, self.kind):
            advance(line.position)
            try:
                yield self._recording(line)
            except InvalidInput as error:
                reasons = [f"{wrong.pointer.strip('/')} {wrong.message}" for wrong in error.fields]
                bad.add(line.number, "; ".join(reasons) or error.message)

    def _recording(self, line: Line) -> Recording:
        if line.fields is None:
            raise InvalidInput(line.problem)
        return parse_recording(
            line.fields,
            id=self.name.record_id(line.number),
            received_at=self.now,
            default_key=self.name.key(line.number),
        )


def check_file(source: Source, *, size: int) -> BadLines:
    """Read the whole file of ``size`` bytes and record nothing; returns the lines that are no recordings."""
    bad = BadLines()
    with byte_progress() as bar:
        task = bar.add_task("checking", total=size)
        for _ in source.recordings(bad, lambda position: bar.update(task, completed=position)):
            pass
    return bad


def record_file(engine: Engine, source: Source, *, size: int) -> ImportOutcome:
    """Record the good lines of the file of ``size`` bytes, a batch in a transaction.

    Raises Unavailable when the database stops answering: what earlier batches recorded stays recorded.
    """
    total, batch = ImportOutcome(), list[Recording]()
    with byte_progress() as bar:
        task = bar.add_task("recording", total=size)
        for recording in source.recordings(BadLines(), lambda position: bar.update(task, completed=position)):
            batch.append(recording)
            if len(batch) == BATCH:
                _record_batch(engine, source, batch, total)
                batch = []
        if batch:
            _record_batch(engine, source, batch, total)
    return total


def _record_batch(engine: Engine, source: Source, batch: list[Recording], total: ImportOutcome) -> None:
    try:
        with transaction(engine) as session:
            total.add(import_batch(session, batch, name=source.name, actor=actor(), now=utc_now()))
    except Unavailable as error:
        raise Unavailable(
            f"{error.message}; {total.recorded} lines are recorded: import the file again, none is recorded twice"
        ) from error
