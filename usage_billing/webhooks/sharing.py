"""How endpoints share the threads of a process, so that slow ones hold up no other. Pure."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

AT_ONCE = 32
"""The threads of a process."""

_OF_ENDPOINT, _OF_HANGING = 8, 2
_OF_SLOW = AT_ONCE // 2
_FIRST = 8
"""So many threads are kept for endpoints that have none."""

QUICK = timedelta(milliseconds=50)
"""An endpoint that answers within this is quick."""

OF_LANE = 8
"""After so many exchanges with a quick endpoint, a thread is free for others."""


def is_worth_a_thread(waiting: int, *, moving: int, is_quick: bool) -> bool:
    """Whether what waits for an endpoint is worth one more thread, beside ``moving`` ones that have not slowed down."""
    return waiting > (moving * OF_LANE if is_quick else 0)


@dataclass(slots=True)
class Threads:
    """How many threads each endpoint has. Of the ``slow`` ones, those in ``hanging`` keep one waiting right now."""

    busy: Counter[str]
    slow: set[str]
    hanging: set[str]

    def is_open(self, endpoint_id: str) -> bool:
        """Whether one more exchange with this endpoint may begin."""
        own, taken = self.busy[endpoint_id], self.busy.total()
        if own >= (_OF_HANGING if endpoint_id in self.hanging else _OF_ENDPOINT):
            return False
        if taken >= (AT_ONCE - _FIRST if own else AT_ONCE):
            return False
        return endpoint_id not in self.slow or sum(self.busy[id] for id in self.slow) < _OF_SLOW

    def held_up(self) -> set[str]:
        """The slow endpoints with which no exchange may begin now."""
        return {id for id in self.slow if not self.is_open(id)}
