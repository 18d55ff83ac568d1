"""The recordings of an open file, each with the key under which it counts once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

import msgspec

from usage_billing.cli.frame.output import byte_progress
from usage_billing.cli.importing.formats import Layout
from usage_billing.cli.importing.lines import Line, read_lines
from usage_billing.cli.importing.quick import QuickReader
from usage_billing.cli.importing.repeats import Repeats
from usage_billing.cli.importing.spool import Spool, Spooled
from usage_billing.core.errors import InvalidInput
from usage_billing.flows.recording.import_usage import FileName, key_digest, row_digest, row_key
from usage_billing.metering.recording import Recording
from usage_billing.metering.spelling import IsMade, parse_recording, senders_give_it

_LISTED = 20
# The display moves on once in so many lines.
_SHOWN = 1000


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


@dataclass(slots=True)
class Checked:
    """What a file holds: the bad lines, the good ones in ``spool``, how many of these are known by their number alone,
    and which are equal.
    """

    bad: BadLines = field(default_factory=BadLines)
    by_number: int = 0
    spool: Spool = field(default_factory=Spool)
    repeats: Repeats = field(default_factory=Repeats)


class Keyed(msgspec.Struct, frozen=True, gc=False):
    """A recording that has a key. ``may_repeat`` says, of a rehearsal, that another line may have the same one."""

    recording: Recording
    may_repeat: bool


@dataclass(frozen=True, slots=True)
class Source:
    """An open file and how its lines are read at ``now``.

    ``source`` is the source of the rows that name none. ``is_made`` says whose rows may have no quantity.
    """

    file: BinaryIO
    size: int
    layout: Layout
    name: FileName
    now: datetime
    source: str = ""
    is_made: IsMade = senders_give_it

    def check(self, *, rehearsing: bool = False) -> Checked:
        """Read the whole file: what is wrong in it, what is right, and which rows without a key are equal.

        With ``rehearsing`` also which rows have equal keys: an import learns that from the books.
        """
        found = Checked()
        for number, recording in self._recordings(found.bad):
            digest = _digest(recording) if rehearsing or not recording.key else None
            if digest is not None:
                found.repeats.note(digest)
            elif not recording.key:
                found.by_number += 1
            found.spool.add(Spooled(recording, number, digest))
        return found

    def keyed(self, lines: Iterable[Spooled], repeats: Repeats) -> Iterator[Keyed]:
        """The recordings of ``lines`` with their keys; equal ones must come in the order of the file."""
        for line in lines:
            recording, digest = line.recording, line.digest
            if recording.key:
                yield Keyed(recording, may_repeat=digest is not None and repeats.may_repeat(digest))
            else:
                key = row_key(digest, repeats.earlier(digest)) if digest else self.name.key(line.number)
                yield Keyed(msgspec.structs.replace(recording, key=key), may_repeat=False)

    def _recordings(self, bad: BadLines) -> Iterator[tuple[int, Recording]]:
        """Every good line's number and recording; the others are added to ``bad``."""
        quick = QuickReader(self.name, self.now, self.source)
        with byte_progress() as bar:
            task = bar.add_task("checking", total=self.size)
            for place, line in enumerate(read_lines(self.file, self.layout, quick)):
                if place % _SHOWN == 0:
                    bar.update(task, completed=self.file.tell())
                try:
                    yield line.number, line.recording or self._recording(line)
                except InvalidInput as error:
                    reasons = [f"{wrong.pointer.strip('/')} {wrong.message}" for wrong in error.fields]
                    bad.add(line.number, "; ".join(reasons) or error.message)

    def _recording(self, line: Line) -> Recording:
        if line.fields is None:
            raise InvalidInput(line.problem)
        id = self.name.record_id(line.number)
        recording = parse_recording(line.fields, id=id, received_at=self.now, is_made=self.is_made)
        if recording.source or not self.source:
            return recording
        return msgspec.structs.replace(recording, source=self.source)


def _digest(recording: Recording) -> bytes | None:
    """The digest by which equal recordings are found: of its key, or of its values; None without both key and time."""
    if recording.key:
        return key_digest(recording)
    return row_digest(recording) if recording.timed else None
