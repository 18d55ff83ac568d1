"""What a client reports: its counts, and log lines at a rate that does not flood the caller's log."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, fields

EVERY_SECONDS = 60.0

log = logging.getLogger("usage_billing_client")


@dataclass(frozen=True)
class Stats:
    """Counts since the client was made, or since the fork.

    Recordings are counted: ``recorded`` were taken in by ``record``; ``accepted`` were accepted by the service,
    including those that earlier processes left; ``spilled`` went to the file; ``refused`` were refused by the service
    or the client; ``dropped`` are lost, because neither memory nor file had room; ``waiting`` are not settled yet.
    ``retried`` counts requests that were sent again.
    """

    recorded: int = 0
    accepted: int = 0
    retried: int = 0
    spilled: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0


class Tally:
    """Counts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts = {field.name: 0 for field in fields(Stats)}

    def add(self, name: str, amount: int = 1) -> None:
        """Count ``amount`` more under ``name``, a field of ``Stats``."""
        with self._lock:
            self._counts[name] += amount

    def snapshot(self, *, waiting: int) -> Stats:
        """The counts at this moment."""
        with self._lock:
            return Stats(**dict(self._counts, waiting=waiting))


class Notices:
    """Logs each kind of message at most once a minute."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._said_at: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def say(self, kind: str, level: int, message: str, *args: object) -> None:
        """Log ``message % args``, unless something of this ``kind`` was logged within the last minute."""
        now = time.monotonic()
        with self._lock:
            if now < self._said_at.get(kind, -EVERY_SECONDS) + EVERY_SECONDS and kind in self._said_at:
                self._unsaid[kind] = self._unsaid.get(kind, 0) + 1
                return
            self._said_at[kind] = now
            unsaid = self._unsaid.pop(kind, 0)
        more = f" ({unsaid} more like this in the last minutes)" if unsaid else ""
        log.log(level, message + "%s", *args, more)
