"""Limits how many requests are worked on at once; the others wait in the order in which they came."""

import threading
from collections import deque


class Turns:
    """A semaphore without overtaking: a turn that is given back goes to the request that has waited longest."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def turn(self) -> "Turn":
        """Wait for a turn, and have it until it is given back, at the latest at the end of a ``with`` block."""
        mine = self._stand_in_line()
        if mine is not None:
            mine.wait()
        return Turn(self)

    def _stand_in_line(self) -> threading.Event | None:
        """The event that tells of a free turn; None when one is free now."""
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            mine = threading.Event()
            self._waiting.append(mine)
            return mine

    def _take_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


class Turn:
    """A turn that a request has; giving it back a second time does nothing."""

    __slots__ = ("_turns",)

    def __init__(self, turns: Turns) -> None:
        self._turns: Turns | None = turns

    def __enter__(self) -> "Turn":
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Let the next request work."""
        turns, self._turns = self._turns, None
        if turns is not None:
            turns._take_back()
