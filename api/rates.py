"""How often a caller may ask: windows of a minute by the clock, counted in this process.

The library under flask-limiter is not used: it starts a thread a hundred times a second to tidy up.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

from api.errors import TooManyRequests

FAILURES_PER_MINUTE = 60
"""Refused credentials from one address in a minute; further refusals are 429. A valid one is never slowed."""

_MINUTE = 60


class Rates:
    """Counts requests by caller and failed authentications by address."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._requests: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self.failures_per_minute = FAILURES_PER_MINUTE

    def count_request(self, actor: str, *, per_minute: int) -> int:
        """Count a request of ``actor``; returns how many more it may make in this minute.

        Raises TooManyRequests beyond ``per_minute``.
        """
        with self._lock:
            self._turn_over()
            self._requests[actor] += 1
            left = per_minute - self._requests[actor]
        if left < 0:
            raise self._too_many("too many requests with this credential", code="rate_limited")
        return left

    def seconds_left(self) -> int:
        """Seconds until the next minute begins, at least one."""
        return _MINUTE - int(self._clock()) % _MINUTE

    def count_failure(self, address: str) -> None:
        """Count a credential from ``address`` that did not hold; raises TooManyRequests when it is one too many."""
        with self._lock:
            self._turn_over()
            self._failures[address] += 1
            over = self._failures[address] > self.failures_per_minute
        if over:
            raise self._too_many("too many credentials from this address did not hold", code="too_many_failures")

    def clear(self) -> None:
        """Forget every count."""
        with self._lock:
            self._requests.clear()
            self._failures.clear()

    def _turn_over(self) -> None:
        window = int(self._clock() // _MINUTE)
        if window != self._window:
            self._window = window
            self._requests.clear()
            self._failures.clear()

    def _too_many(self, message: str, *, code: str) -> TooManyRequests:
        return TooManyRequests(f"{message}; try again later", code=code, reset=(self._window + 1) * _MINUTE)
