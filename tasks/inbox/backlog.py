"""How much waits in the inbox on PostgreSQL, which is measured now and then."""

import threading
import time

# Measuring the backlog reads all of it. Between two measurements pass at least so many seconds, and at least so many
# times what the last one took.
_LOOK_SECONDS = 0.5
_LOOK_SHARE = 20


class Backlog:
    """How much waits: the last measurement, plus what this process has appended since. Safe between threads."""

    def __init__(self) -> None:
        self.recordings = 0
        self.size = 0
        self._next_look = 0.0
        self._lock = threading.Lock()

    def due(self) -> bool:
        """Whether it is time to measure; when it is, one caller only is told so."""
        with self._lock:
            if time.monotonic() < self._next_look:
                return False
            self._next_look = time.monotonic() + _LOOK_SECONDS
            return True

    def measured(self, recordings: int, size: int, *, seconds: float) -> None:
        """Note a measurement, in recordings and bytes, that took ``seconds``."""
        with self._lock:
            self.recordings, self.size = recordings, size
            self._next_look = time.monotonic() + max(_LOOK_SECONDS, seconds * _LOOK_SHARE)

    def add(self, recordings: int, size: int) -> None:
        """Note an append, in recordings and bytes."""
        with self._lock:
            self.recordings += recordings
            self.size += size
