"""The log files of a folder, one a day: their lines so far, and those that are appended while one waits."""

import os
import re
import time
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

_NAME = re.compile(r"usage-billing-(\d{8})\.log")
_POLL_SECONDS = 0.2


class LogFiles:
    """The files of ``folder``, in the order of their days in UTC, each read once to its end and then further."""

    def __init__(self, folder: Path, *, first: date | None) -> None:
        self._folder = folder
        self._first = first
        self._read: dict[Path, tuple[int, int]] = {}
        """Of each file its inode, and how many bytes of it were read."""

    def names(self) -> list[Path]:
        """The files from the day ``first`` on."""
        found = (
            (match, path) for path in self._folder.glob("usage-billing-*.log") if (match := _NAME.fullmatch(path.name))
        )
        return sorted(path for match, path in found if self._first is None or _day(match[1]) >= self._first)

    def lines(self) -> Iterator[str]:
        """The whole lines that were not read yet."""
        for path in self.names():
            yield from self._lines_of(path)

    def follow(self) -> Iterator[str]:
        """The lines that are not read yet, and then those that come, for ever."""
        while True:
            yield from self.lines()
            time.sleep(_POLL_SECONDS)

    def _lines_of(self, path: Path) -> Iterator[str]:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # moved away in between
            return
        with file:
            found = os.fstat(file.fileno())
            inode, at = self._read.get(path, (found.st_ino, 0))
            # A new file in the place of one that was moved away, or one that was emptied, is read from its beginning.
            file.seek(at if inode == found.st_ino and at <= found.st_size else 0)
            place = file.tell()
            for line in file:
                if not line.endswith(b"\n"):  # it is being written
                    break
                place += len(line)
                self._read[path] = (found.st_ino, place)
                yield line.decode("utf-8", "backslashreplace").rstrip("\n")


def _day(digits: str) -> date:
    try:
        return datetime.strptime(digits, "%Y%m%d").date()  # noqa: DTZ007  a day
    except ValueError:
        return date.max
