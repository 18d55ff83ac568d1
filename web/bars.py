"""The bar of an allowance: a drawing of three figures. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

WIDTH = 1000
"""The units that the whole bar is wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Where things stand on a bar, from 0 to ``WIDTH``: what is within, to where what is beyond goes, the estimate.

    ``mark`` is the allowance; None of one without limit. ``beyond`` and ``estimate`` end where they end.
    """

    within: int
    beyond: int
    estimate: int
    mark: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandBar:
    """What is in hand, from 0 to ``WIDTH``: up to ``left`` it is left, up to ``drawn`` it is used and not posted."""

    left: int
    drawn: int


def hand_bar(*, left: Decimal, drawn: Decimal, whole: Decimal) -> HandBar:
    """A bar of ``whole``, the rest of which is used up; nothing where there is nothing."""
    if whole <= 0:
        return HandBar(left=0, drawn=0)
    first = min(max(left, Decimal(0)), whole)
    second = min(first + max(drawn, Decimal(0)), whole)
    return HandBar(left=int(first * WIDTH // whole), drawn=int(second * WIDTH // whole))


@lru_cache(maxsize=1024)
def hatch(start: int, end: int) -> str:
    """The strokes that fill a bar between two places, as one path: a page with a path for each is twice as long."""
    return "".join(f"M{place} 17L{min(place + 8, end)} 5" for place in range(start, end, 12))


def meter_bar(*, used: Decimal, limit: Decimal | None, estimate: Decimal) -> Bar:
    """A bar from 0 to the largest of the three."""
    whole = max(used, estimate, Decimal(0) if limit is None else limit)
    if not whole:
        return Bar(within=0, beyond=0, estimate=0, mark=WIDTH if limit is None or limit else 0)

    def place(value: Decimal) -> int:
        return int(value * WIDTH // whole)

    within = used if limit is None else min(used, limit)
    return Bar(
        within=place(within),
        beyond=place(used),
        estimate=place(max(estimate, used)),
        mark=None if limit is None else place(limit),
    )
