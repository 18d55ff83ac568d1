"""How a green thread that computes for long gives way: the requests that can go on go first."""

import gevent  # type: ignore[import-untyped]
from flask import has_request_context

from api.state import this_request

# Seconds for which it stands back at most, so that a process that always has something to do answers it too: then it
# works for one millisecond in six.
STANDS_BACK_SECONDS = 0.005
_READS = frozenset({"GET", "HEAD"})


def give_way() -> None:
    """Let all other green threads that can go on do so, for a while at most.

    Requests that write go on: they may hold locks for which recordings wait.
    """
    if has_request_context() and this_request().method in _READS:
        with gevent.Timeout(STANDS_BACK_SECONDS, False):
            gevent.idle()
