"""How many may work at once; the others wait in the order in which they came."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A fair semaphore: a turn that is given back goes to the thread that has waited longest."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and have it for the block."""
        mine = self._stand_in_line()
        if mine is not None:
            mine.wait()
        try:
            yield
        finally:
            self._give_back()

    def _stand_in_line(self) -> threading.Event | None:
        """None: it is free."""
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            mine = threading.Event()
            self._waiting.append(mine)
            return mine

    def _give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
