"""When a process may begin its next exchange: at once, or a step after the one before while it gives way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock

from usage_billing.flows.delivering.make_attempt import running_for

STEP = timedelta(milliseconds=10)
"""Between two exchanges of a process that gives way. An exchange takes about one millisecond of CPU."""


def never() -> bool:
    """What a process asks that has nothing to give way to."""
    return False


@dataclass(slots=True)
class Pace:
    """The moments at which exchanges of a process begin. Its threads ask for one each; ``gives_way`` is asked then."""

    gives_way: Callable[[], bool] = never
    _last: timedelta = timedelta(0)
    _lock: Lock = field(default_factory=Lock)

    def next(self) -> timedelta:
        """The moment at which one more exchange may begin, by the monotonic clock; no other gets the same step."""
        if not self.gives_way():
            return running_for()
        with self._lock:
            self._last = max(self._last + STEP, running_for())
            return self._last
