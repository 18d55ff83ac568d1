"""How a green thread that computes for long gives way: the requests that can go on go first."""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent  # type: ignore[import-untyped]
import gevent.event  # type: ignore[import-untyped]
from flask import has_request_context

from api.state import this_request

# Seconds for which it stands back at most, so that a process that always has something to do answers it too: then it
# works for one millisecond in six.
STANDS_BACK_SECONDS = 0.005
_READS = frozenset({"GET", "HEAD"})


class _First:
    """The requests of this process that go first although they wait: how many, and the moment when none is left."""

    def __init__(self) -> None:
        self.number = 0
        self.none_left = gevent.event.Event()

    def enter(self) -> None:
        self.number += 1
        self.none_left.clear()

    def leave(self) -> None:
        self.number -= 1
        if not self.number:
            self.none_left.set()


_first = _First()


@contextmanager
def goes_first() -> Iterator[None]:
    """While the block runs, a thread that gives way lets this one go on, also if it waits for another process.

    Without it a recording would wait for the inbox's answer, and then for the slice that a read has begun meanwhile.
    """
    _first.enter()
    try:
        yield
    finally:
        _first.leave()


def give_way() -> None:
    """Let all other green threads that can go on, and those that go first, do so; for a while at most.

    Requests that write go on: they may hold locks for which recordings wait.
    """
    if has_request_context() and this_request().method in _READS:
        with gevent.Timeout(STANDS_BACK_SECONDS, False):
            gevent.idle()
            while _first.number:
                _first.none_left.wait()
                gevent.idle()
