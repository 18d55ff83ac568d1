"""The folder of waiting recordings: the segments of this process, and those that dead processes left.

Not for two threads at once: ``Backlog`` holds its lock around every call.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from usage_billing_client import _files as files
from usage_billing_client._segment import PREFIX, SUFFIX, Segment

_EARLIER_DIGITS = 12  # of the names of folders that version 0.1 made; now they have 16


class Spill:
    """Keeps lines in files, in order. Makes its folder; raises OSError if it cannot."""

    def __init__(
        self, folder: Path, *, max_bytes: int, segment_bytes: int, adopt_every: float, fsync: bool = False
    ) -> None:
        files.prepare_folder(folder)
        self.folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._adopt_every = adopt_every
        self._fsync = fsync
        self._own: list[Segment] = []
        self._adopted: Segment | None = None
        self._look_at = 0.0

    def append(self, lines: Sequence[bytes]) -> None:
        """Keep all lines, or raise OSError and keep none. With ``fsync`` they survive a power cut from here on."""
        used = sum(segment.size - segment.settled for segment in self._own)
        if used + sum(map(len, lines)) + len(lines) > self._max_bytes:
            raise OSError(errno.EDQUOT, f"more than spill_bytes={self._max_bytes} would wait", str(self.folder))
        fresh = not self._own or self._own[-1].size >= self._segment_bytes
        segment = Segment.create(self.folder) if fresh else self._own[-1]
        try:
            segment.append(lines, fsync=self._fsync)
            if fresh and self._fsync:
                files.sync_folder(self.folder)
        except OSError:
            if fresh:
                segment.remove()
            raise
        if fresh:
            self._own.append(segment)

    @property
    def holds_own(self) -> bool:
        """Whether recordings of this process wait in files."""
        return bool(self._own)

    def own(self) -> Segment:
        """The oldest segment of this process that waits."""
        return self._own[0]

    def left_behind(self) -> Segment | None:
        """A segment that a dead process left behind, now ours; None if there is none. Looks only now and then."""
        if self._adopted is None and time.monotonic() >= self._look_at:
            self._adopted = self._adopt()
            if self._adopted is None:
                self._look_at = time.monotonic() + self._adopt_every
        return self._adopted

    def look_now(self) -> None:
        """Let the next ``left_behind`` look."""
        self._look_at = 0.0

    def settle(self, segment: Segment, length: int, *, lines: int) -> None:
        """Count the first ``length`` waiting bytes of ``segment`` as settled; remove it when nothing waits in it."""
        segment.settle(length, lines=lines)
        if segment.spent:
            self._forget(segment)
            segment.remove()

    def set_aside(self, segment: Segment) -> None:
        """Go on without a segment that cannot be read."""
        self._forget(segment)
        segment.set_aside()

    def move_to(self, folder: Path) -> None:
        """Go on in another folder of the same disk, with all that waits in this one and is no living process's."""
        files.prepare_folder(folder)
        for segment in [*self._own, *filter(None, [self._adopted])]:
            segment.move_to(folder)
        for path in sorted(self.folder.glob(f"{PREFIX}*{SUFFIX}")):
            left = Segment.adopt(path)
            if left is not None:
                left.move_to(folder)
                left.release()
        self.folder = folder
        self.look_now()

    def _forget(self, segment: Segment) -> None:
        if segment is self._adopted:
            self._adopted = None
        else:
            self._own.remove(segment)

    def release(self) -> None:
        """Release all segments; their recordings wait for the next process or the next client."""
        for segment in [*self._own, *filter(None, [self._adopted])]:
            segment.release()
        self._own.clear()
        self._adopted = None

    def _adopt(self) -> Segment | None:
        with suppress(OSError):
            for path in sorted(self.folder.glob(f"{PREFIX}*{SUFFIX}")):
                segment = Segment.adopt(path)
                if segment is not None and segment.spent:
                    segment.remove()
                elif segment is not None:
                    return segment
        return None


def with_files_of_before(folder: Path) -> list[Path]:
    """Folders beside ``folder`` with recordings of versions 0.1, which did not keep the keys apart."""
    try:
        places = [folder.parent, *(path for path in folder.parent.iterdir() if len(path.name) == _EARLIER_DIGITS)]
        return [place for place in places if any(place.glob(f"{PREFIX}*{SUFFIX}"))]
    except OSError:
        return []
