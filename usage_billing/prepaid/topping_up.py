"""When a wallet asks for more, and how long it waits where that was not paid. Pure.

Source: docs/prepaid.md, "Top-ups".
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

ANSWER_WITHIN = timedelta(hours=24)
"""A request that is not answered within this time expires."""

_FIRST_WAIT, _LONGEST_WAIT = timedelta(hours=1), timedelta(hours=24)
SPANS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
"""How far back each word looks; a month has 30 days."""


def wait_after(failures: int) -> timedelta:
    """How long nothing is asked after so many requests in a row that were not paid: 1 h, doubling to 24 h."""
    doublings = min(max(failures - 1, 0), 10)
    return min(_FIRST_WAIT * (1 << doublings), _LONGEST_WAIT)


def may_ask_at(
    asked: Sequence[datetime], *, cooldown: timedelta, most_count: int | None = None, most_per: str | None = None
) -> datetime | None:
    """From when on a wallet may ask; None: at once.

    ``asked`` is when it asked what was paid, or waits for an answer, the latest first.
    """
    found = [asked[0] + cooldown] if asked else []
    if most_count is not None and most_per is not None and len(asked) >= most_count:
        found.append(asked[most_count - 1] + SPANS[most_per])
    return max(found, default=None)
