"""Where recordings wait: in memory while all goes well, otherwise in files. In order, and within bounds.

Every recording goes through ``Store.put``, and all calls hold the lock of ``Backlog``. While recordings of this process
wait in files, new ones go there too. So recordings in a file are older than those in memory, and are sent first.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from usage_billing_client._batching import fitting
from usage_billing_client._options import Tuning
from usage_billing_client._reporting import Notices, Tally
from usage_billing_client._segment import Segment
from usage_billing_client._spill import Spill


@dataclass(frozen=True, eq=False)
class Parcel:
    """Recordings for one request. Those from a file name their segment and the bytes they take at its head."""

    lines: tuple[bytes, ...]
    broken: tuple[bytes, ...] = ()
    segment: Segment | None = None
    length: int = 0

    @property
    def from_memory(self) -> bool:
        """Whether only this process has them."""
        return self.segment is None


class Store:
    """Memory, and files behind it. Not for two threads at once."""

    def __init__(
        self, spill: Spill | None, tuning: Tuning, *, write_ahead: bool, tally: Tally, notices: Notices
    ) -> None:
        self.spill = spill
        self.memory: deque[bytes] = deque()
        self.closed = False
        self._bytes = 0
        self._tuning = tuning
        self._write_ahead = write_ahead
        self._tally = tally
        self._notices = notices

    def put(self, line: bytes) -> bool:
        """Take in one recording; False if there is no room anywhere, and it is lost."""
        to_file = self._write_ahead or self.closed or self.holds_own
        if not to_file and self._has_room(line):
            self._remember(line)
            return True
        if self.to_file([], [line]):
            return True
        if not self.closed and self._has_room(line):
            self._remember(line)
            return True
        self._tally.add("dropped")
        self._notices.say("dropped", logging.ERROR, "a recording is LOST: no room in memory, and no file to keep it in")
        return False

    @property
    def holds_own(self) -> bool:
        """Whether recordings of this process wait in files."""
        return self.spill is not None and self.spill.holds_own

    def to_file(self, before: Sequence[bytes], after: Sequence[bytes]) -> bool:
        """Write ``before``, all of the memory, and ``after`` to the file; False if it cannot be, and none was."""
        lines = [*before, *self.memory, *after]
        if self.spill is None or not lines:
            return not lines
        try:
            self.spill.append(lines)
        except OSError as error:
            self._notices.say("spill", logging.ERROR, "recordings cannot be kept in %s: %s", self.spill.folder, error)
            return False
        self.memory.clear()
        self._bytes = 0
        self._tally.add("spilled", len(lines))
        if self.closed:
            self.spill.release()
        return True

    def put_back(self, lines: Sequence[bytes]) -> None:
        """Put lines that were taken from memory back at its head; there is room for them."""
        self.memory.extendleft(reversed(lines))
        self._bytes += sum(map(len, lines))

    def take_memory(self) -> tuple[bytes, ...]:
        """Take as many lines out of memory as go into one request."""
        tuning = self._tuning
        count = fitting(self.memory, max_events=tuning.max_events, max_bytes=tuning.max_request_bytes)
        lines = tuple(islice(self.memory, count))
        for line in lines:
            self.memory.popleft()
            self._bytes -= len(line)
        return lines

    @property
    def holds_any(self) -> bool:
        """Whether any recording of this process waits, in memory or in files."""
        return bool(self.memory) or self.holds_own

    @property
    def fills_request(self) -> bool:
        """Whether the waiting recordings fill a request, so that it need not wait for more."""
        if self.spill is not None and self.holds_own:
            return self.spill.own().lines >= self._tuning.max_events
        return len(self.memory) >= self._tuning.max_events or self._bytes >= self._tuning.max_request_bytes

    def head_of(self, segment: Segment) -> bytes | None:
        """The next bytes of a file. None if it cannot be read: it is set aside and its recordings are not sent."""
        try:
            return segment.head(self._tuning.max_request_bytes)
        except OSError as error:
            self._notices.say("unreadable", logging.ERROR, "recordings cannot be read back: %s", error)
            self._tally.add("dropped", segment.lines)
            if self.spill is not None:
                self.spill.set_aside(segment)
            return None

    def lose_all(self) -> int:
        """Discard the recordings in memory; returns how many there were."""
        lost = len(self.memory)
        self.memory.clear()
        self._bytes = 0
        return lost

    def _remember(self, line: bytes) -> None:
        self.memory.append(line)
        self._bytes += len(line)

    def _has_room(self, line: bytes) -> bool:
        tuning = self._tuning
        return len(self.memory) < tuning.max_waiting and self._bytes + len(line) <= tuning.max_waiting_bytes
