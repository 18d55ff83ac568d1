"""How far the recordings of this process are settled, and waiting for it. Under the lock of ``Waiting``."""

from __future__ import annotations

import threading
import time
from typing import Callable

_LOOK_EVERY = 0.1


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
