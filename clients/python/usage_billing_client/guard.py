"""A lock for code that may be broken into by its own thread.

Signal handlers and finalizers run between any two steps of a thread, also while it holds a lock, and may record.
A plain lock would stop the process for ever there, and a re-entrant one alone would let them see half a change.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable


class Guard:
    """The lock, and what was recorded in the midst of a change, to be put in after it."""

    def __init__(self, put: Callable[[bytes], bool]) -> None:
        self.lock = threading.RLock()
        self._put_in = put
        self._changing = False
        self._aside: deque[bytes] = deque()

    def put(self, line: bytes) -> bool:
        """Put ``line`` in, at once or after the change that this very thread is in the midst of."""
        with self.lock:
            if self._changing:
                self._aside.append(line)
                return True
            with self.change():
                return self._put_in(line)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Under the lock, and not to be broken into. Not for waiting in."""
        with self.lock:
            outer, self._changing = self._changing, True
            try:
                yield
                while self._aside and not outer:
                    self._put_in(self._aside.popleft())
            finally:
                self._changing = outer
