"""Log lines about one trouble, at most one a minute: an outage must not fill the caller's log."""

from __future__ import annotations

import logging
import threading
import time

EVERY_SECONDS = 60.0

log = logging.getLogger("usage_billing_client")


class Notices:
    """Says things once a minute each."""

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
