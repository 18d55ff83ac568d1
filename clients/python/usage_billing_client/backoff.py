"""How long to wait before the next try. Pure, but for the dice."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = 300.0
"""A service that asks for more seconds than this is asked again after this many."""

_MANY = 32  # doublings after which every cap is reached


def pause(failures: int, *, base: float, cap: float, retry_after: float | None = None) -> float:
    """Seconds to wait after ``failures`` (1 or more) failures in a row.

    Exponential with full jitter: anything from 0 to ``base * 2 ** (failures - 1)``, at most ``cap``. What the
    service asked for is waited out first, and the jitter comes on top, lest all clients return in one instant.
    """
    spread = min(cap, base * 2.0 ** min(failures - 1, _MANY))
    jitter = random.uniform(0, spread)  # noqa: S311 (dice, no secret)
    return jitter if retry_after is None else min(retry_after, MAX_RETRY_AFTER) + min(jitter, 1.0)


def read_retry_after(text: str | None, *, now: datetime) -> float | None:
    """The seconds that a ``Retry-After`` header asks for, spelled as seconds or as a date; None if it says nothing."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        instant = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError):
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=timezone.utc)
    return max(0.0, (instant - now).total_seconds())
