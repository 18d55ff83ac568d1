"""What stands between the threads that record and the one that sends: a guarded lock, and how far all is settled.

Signal handlers and finalizers run between any two steps of a thread, also while it holds a lock, and may record.
A plain lock would stop the process for ever there, and a re-entrant one alone would let them see half a change.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

_LOOK_EVERY = 0.1


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


class Progress:
    """Counts recordings of this process that were taken in and that are settled, which happens in order."""

    def __init__(self, lock: threading.RLock) -> None:
        self._changed = threading.Condition(lock)
        self._taken = self._settled = 0
        self._in_order_from = 0
        self._ended = False

    @property
    def count(self) -> int:
        """How many are not settled."""
        return self._taken - self._settled

    def take(self) -> None:
        """One more was taken in."""
        self._taken += 1

    def settle(self, amount: int) -> None:
        """So many more are settled."""
        self._settled += amount
        self._changed.notify_all()

    def disorder(self) -> None:
        """An older one went behind newer ones: only once all until now are settled, it is too."""
        self._in_order_from = self._taken

    def end(self) -> None:
        """Nothing more will be settled."""
        self._ended = True
        self._changed.notify_all()

    def wait(self, deadline: float, *, until: Callable[[], bool]) -> bool:
        """Wait until all that was taken in before the call is settled: True.

        False at ``deadline`` (monotonic seconds), at the end, or as soon as ``until()`` holds.
        """
        target = self._taken
        while self._settled < max(target, self._in_order_from):
            left = deadline - time.monotonic()
            if left <= 0 or self._ended or until():
                return False
            self._changed.wait(min(left, _LOOK_EVERY))
        return True
