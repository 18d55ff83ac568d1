"""What the recording threads and the sending thread share: a guarded lock, and how much is settled.

Signal handlers and finalizers may record, and run between any two steps of a thread, also while it holds a lock. A
plain lock would then stop the process for ever. A re-entrant lock alone would let them see half a change.
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
    """The lock, and the recordings that came in the middle of a change and are put in after it."""

    def __init__(self, put: Callable[[bytes], bool]) -> None:
        self.lock = threading.RLock()
        self._put_in = put
        self._changing = False
        self._aside: deque[bytes] = deque()

    def put(self, line: bytes) -> bool:
        """Put ``line`` in: at once, or after the change that this same thread is making."""
        with self.lock:
            if self._changing:
                self._aside.append(line)
                return True
            with self.change():
                return self._put_in(line)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the lock for a change that no recording interrupts. Do not wait for anything within it."""
        with self.lock:
            outer, self._changing = self._changing, True
            try:
                yield
                while self._aside and not outer:
                    self._put_in(self._aside.popleft())
            finally:
                self._changing = outer


class Progress:
    """Counts the recordings that this process took in and those that are settled; both happen in the same order."""

    def __init__(self, lock: threading.RLock) -> None:
        self._changed = threading.Condition(lock)
        self._taken = self._settled = 0
        self._disordered = False
        self._ended = False

    @property
    def count(self) -> int:
        """How many are not settled."""
        return self._taken - self._settled

    def take(self, amount: int = 1) -> None:
        """Count ``amount`` more as taken in."""
        self._taken += amount

    def settle(self, amount: int) -> None:
        """Count ``amount`` more as settled."""
        self._settled += amount
        if self._settled >= self._taken:
            self._disordered = False
        self._changed.notify_all()

    def disorder(self) -> None:
        """Note that an older recording went behind newer ones: until all are settled, the count does not say which."""
        self._disordered = True

    def end(self) -> None:
        """Note that nothing more will be settled."""
        self._ended = True
        self._changed.notify_all()

    def wait(self, deadline: float, *, also: Callable[[], bool], until: Callable[[], bool]) -> bool:
        """Wait until everything taken in before the call is settled and ``also()`` holds, and return True.

        Both hold at one moment. Returns False at ``deadline`` (monotonic seconds), at the end, or as soon as
        ``until()`` holds.
        """
        target = self._taken
        while self._settled < (self._taken if self._disordered else target) or not also():
            left = deadline - time.monotonic()
            if left <= 0 or self._ended or until():
                return False
            self._changed.wait(min(left, _LOOK_EVERY))
        return True
