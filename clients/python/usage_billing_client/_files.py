"""The file operations that spilling needs: a private folder, locks, writes that are whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
_EVERYBODY_ELSE = 0o022  # group and others may write

if sys.platform != "win32":
    import fcntl

    def try_lock(fd: int) -> bool:
        """Take the exclusive lock of an open file, if it is free. It ends when the file is closed, or the process."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def wait_lock(fd: int) -> None:
        """Take the exclusive lock of an open file, waiting while another process has it."""
        fcntl.flock(fd, fcntl.LOCK_EX)

    def prepare_folder(folder: Path) -> None:
        """Make the folder, for this user alone. Raises OSError if it cannot be, or is not safe to use."""
        folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        status = folder.stat()
        if status.st_uid != os.geteuid() or status.st_mode & _EVERYBODY_ELSE:
            raise PermissionError(f"{folder} belongs to, or can be written by, another user")

    def open_file(path: Path, *, create: bool = False, exclusive: bool = False) -> int:
        """Open for reading and appending; never through a link."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        flags |= (os.O_CREAT if create else 0) | (os.O_EXCL if exclusive else 0)
        return os.open(path, flags, PRIVATE_FILE)

    def read_at(fd: int, count: int, offset: int) -> bytes:
        """At most ``count`` bytes from ``offset`` on."""
        return os.pread(fd, count, offset)

else:

    def try_lock(fd: int) -> bool: ...
    def wait_lock(fd: int) -> None: ...
    def open_file(path: Path, *, create: bool = False, exclusive: bool = False) -> int: ...
    def read_at(fd: int, count: int, offset: int) -> bytes: ...

    def prepare_folder(folder: Path) -> None:
        """Raise OSError: Windows has no such locks, so nothing is kept in files."""
        raise OSError(f"{folder}: files are not locked on Windows, so nothing is kept in them")


def append_lines(fd: int, lines: Sequence[bytes], *, size: int, fsync: bool) -> int:
    """Write all ``lines`` at the end of a file of ``size`` bytes, or none: raises OSError and leaves it as it was.

    Returns the new size. With ``fsync`` they are on the disk when it returns.
    """
    data = memoryview(b"".join(line + b"\n" for line in lines))
    total = len(data)
    try:
        while data:
            data = data[os.write(fd, data) :]
        if fsync:
            os.fsync(fd)
    except OSError:
        # A piece of a line that stays would join the next line.
        with suppress(OSError):
            os.ftruncate(fd, size)
        raise
    return size + total


def sync_folder(folder: Path) -> None:
    """Write the folder to disk, so that a new file or a removal in it survives a power cut."""
    fd: int | None = None
    try:
        fd = os.open(folder, os.O_RDONLY)
        os.fsync(fd)
    finally:
        if fd is not None:
            os.close(fd)
