"""How far behind the figures are: since when the oldest recording waits to be counted."""

import threading
import time
from datetime import datetime, timedelta

from api import enqueue
from api.state import state
from usage_billing.core.errors import Unavailable

BEHIND = timedelta(seconds=10)
"""From when on a page says that its figures are behind."""

# Seconds for which one look at the inbox serves every page of this process.
_SERVES = 2


class _Look:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.at = 0
        self.oldest: datetime | None = None


_look = _Look()


def behind_since() -> datetime | None:
    """Since when the oldest recording waits, if that is so long that a page says it; None where figures are fresh.

    An inbox that does not answer has nothing to say here: what is counted is shown.
    """
    now = int(time.monotonic())
    with _look.lock:
        if now - _look.at >= _SERVES:
            _look.at = now
            _look.oldest = _oldest()
        oldest = _look.oldest
    return oldest if oldest is not None and state().clock() - oldest > BEHIND else None


def forget() -> None:
    """Look anew at the next page."""
    _look.at = -_SERVES


def _oldest() -> datetime | None:
    try:
        return enqueue.oldest_waiting()
    except Unavailable:
        return None
