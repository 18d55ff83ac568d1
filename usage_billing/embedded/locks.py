"""Locks that the kernel drops when their holder dies, however it dies."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

RETRY_SECONDS = 0.05


class FileLock:
    """An exclusive flock on ``path``. It belongs to the open file: every process that inherited it holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def descriptor(self) -> int:
        """The open file, to be inherited by a process that shall hold the lock as long as it lives."""
        if self._descriptor is None:
            raise RuntimeError(f"the lock {self.path} is not held")
        return self._descriptor

    def acquire(self, *, seconds: float = 0.0) -> bool:
        """Take the lock, waiting up to ``seconds``; False when another process still has it."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(RETRY_SECONDS)
            except BaseException:
                os.close(descriptor)
                raise
            else:
                self._descriptor = descriptor
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
                return True

    def release(self) -> None:
        """Close our side; a process that inherited the lock keeps it (so no LOCK_UN here)."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> str:
        """The process that took the lock, as text for a message."""
        with suppress(OSError):
            pid = self.path.read_text().strip()
            if pid:
                return f"process {pid}"
        return "another process"
