"""When a delivery is tried again, and when an endpoint is given up. Pure."""

from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

LADDER = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after the try before it each try is made: ten tries in 75 h 35 min."""

MOST_TRIES = len(LADDER)
LEAST_JITTER, MOST_JITTER = 80, 120
"""By how many per cent of its step a try is moved, so that what failed together does not come back together."""

LONGEST_WAIT = timedelta(hours=24)
FAILING_FOR = timedelta(days=5)
FAILED_TRIES = 10
"""An endpoint is given up when every try failed for so long, and so many did."""


def next_try(tries: int, *, jitter: int, now: datetime, wait: timedelta | None = None) -> datetime | None:
    """When what failed for the ``tries``-th time is tried again; None when that was the last try.

    ``jitter`` is in per cent of the step. The receiver may ask for a ``wait`` that is longer than that, up to 24 h.
    """
    if tries >= MOST_TRIES:
        return None
    step = LADDER[tries] * jitter // 100
    return now + max(step, min(wait or timedelta(0), LONGEST_WAIT))


def asked_to_wait(header: str | None, *, now: datetime) -> timedelta | None:
    """What ``Retry-After`` says, in seconds or as a date; None where it says nothing that can be read."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return None if at.tzinfo is None else min(max(at - now, timedelta(0)), LONGEST_WAIT)


def is_given_up(*, failing_since: datetime, failed_tries: int, now: datetime) -> bool:
    """Whether an endpoint at which every try failed since then is told nothing more."""
    return now - failing_since >= FAILING_FOR and failed_tries >= FAILED_TRIES
