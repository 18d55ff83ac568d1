"""A file of waiting recordings: written at its end, read from its head, removed when all of it is settled.

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
        """Make a new segment; names of segments sort by time. Raises OSError."""
        while True:
            path = folder / f"{PREFIX}{time.time_ns():020d}-{os.getpid()}-{next(_serial)}{SUFFIX}"
            fd = files.open_file(path, create=True, exclusive=True)
            if files.try_lock(fd) and _is_at(path, fd):
                return cls(path, fd, size=0, adopted=False)
            os.close(fd)  # another process took it for one left by a dead process, found it empty and removed it

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """Take over a segment that a dead process left; None if a living process holds it, or it is gone."""
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
        """Up to ``max_bytes`` that are not settled, beginning with a line and at least that one. Raises OSError."""
        wanted = min(max(max_bytes, MAX_EVENT_BYTES + 1), self.size - self.settled)
        data = files.read_at(self._fd, wanted, self.settled)
        if not data:
            raise OSError(f"{self.path} was cut")
        return data

    def settle(self, length: int, *, lines: int) -> None:
        """Count the first ``length`` unsettled bytes, with ``lines`` lines of this process, as settled."""
        self.settled += length
        self.lines -= lines

    def move_to(self, folder: Path) -> None:
        """Move the file to another folder of the same disk, with its lock. Raises OSError."""
        self.path = self.path.rename(folder / self.path.name)

    def remove(self) -> None:
        """Remove the file; while we hold the lock no other process can be reading it."""
        with suppress(OSError):
            self.path.unlink()
        self.release()

    def set_aside(self) -> None:
        """Rename a file that cannot be read, so that no process takes it over; a person has to look at it."""
        with suppress(OSError):
            self.path.rename(self.path.with_suffix(".unreadable"))
        self.release()

    def release(self) -> None:
        """Close the file, which releases the lock; its recordings wait for the next process."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _is_at(path: Path, fd: int) -> bool:
    """Whether the open file still has this name: another process may have removed it before we had the lock."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False
