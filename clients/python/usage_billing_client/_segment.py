"""One file of recordings that wait: written at its end, read from its head, removed when all of it is settled.

A process that holds a segment holds its lock. A process that dies loses its locks, and another takes its segments over.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from usage_billing_client import _files as files
from usage_billing_client._event import MAX_EVENT_BYTES

PREFIX, SUFFIX = "spill-", ".jsonl"

_serial = count()


class Segment:
    """An open, locked file of lines; ``lines`` counts those that this process wrote and that are not settled.

    Not for two threads at once.
    """

    def __init__(self, path: Path, fd: int, *, size: int, adopted: bool) -> None:
        self.path = path
        self.size = size
        self.settled = 0
        self.lines = 0
        self.adopted = adopted
        self._fd = fd

    @classmethod
    def create(cls, folder: Path) -> Segment:
        """A new one; names sort by time. Raises OSError."""
        while True:
            path = folder / f"{PREFIX}{time.time_ns():020d}-{os.getpid()}-{next(_serial)}{SUFFIX}"
            fd = files.open_file(path, create=True, exclusive=True)
            if files.try_lock(fd) and _is_at(path, fd):
                return cls(path, fd, size=0, adopted=False)
            os.close(fd)  # another process took it for one left behind; it finds it empty and removes it

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """One that a dead process left behind; None if it is held by a living one, or gone."""
        try:
            fd = files.open_file(path)
        except OSError:
            return None
        try:
            if files.try_lock(fd) and _is_at(path, fd):
                return cls(path, fd, size=os.fstat(fd).st_size, adopted=True)
        except OSError:
            pass
        os.close(fd)
        return None

    @property
    def spent(self) -> bool:
        """Whether everything in it is settled."""
        return self.settled >= self.size

    def append(self, lines: Sequence[bytes], *, fsync: bool) -> None:
        """Write all lines or none. Raises OSError."""
        self.size = files.append_lines(self._fd, lines, size=self.size, fsync=fsync)
        self.lines += len(lines)

    def head(self, max_bytes: int) -> bytes:
        """What is not settled yet, from the beginning of a line; at least one line. Raises OSError."""
        wanted = min(max(max_bytes, MAX_EVENT_BYTES + 1), self.size - self.settled)
        data = files.read_at(self._fd, wanted, self.settled)
        if not data:
            raise OSError(f"{self.path} was cut")
        return data

    def settle(self, length: int, *, lines: int) -> None:
        """The first ``length`` bytes of what was not settled are."""
        self.settled += length
        self.lines -= lines

    def remove(self) -> None:
        """Remove the file; while we hold the lock no other process can be reading it."""
        with suppress(OSError):
            self.path.unlink()
        self.release()

    def set_aside(self) -> None:
        """Leave a file that cannot be read to a person, under a name that no process takes over."""
        with suppress(OSError):
            self.path.rename(self.path.with_suffix(".unreadable"))
        self.release()

    def release(self) -> None:
        """Close the file, which gives up the lock; what is in it waits for the next process."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _is_at(path: Path, fd: int) -> bool:
    """Whether the open file is still the one of that name: no process removed it before we had the lock."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False
