"""What each segment of a billing period earns of its allowance, by the shares of time. Pure.

Source: docs/billing.md, "The allowance of a period that is cut".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from usage_billing.core.choices import NOT_AT_ALL
from usage_billing.core.decimals import PLACES
from usage_billing.core.periods import Period
from usage_billing.core.proration import rounded, share_until

_ZERO = Fraction(0)


class Stretch(NamedTuple):
    """What the budget of a segment depends on; neighbours on one plan are one term."""

    start: datetime
    end: datetime
    plan_id: str
    limit: Decimal | None
    method: str
    prorates_edges: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """``held``: if the terms held to the period's end. ``until``: what the time up to the segment's end earned."""

    held: Decimal | None
    until: Decimal | None


@dataclass(slots=True)
class _Course:
    """What the terms so far have earned, all of it divided in one way."""

    method: str
    zone: str
    subscribed: Period
    closed: Fraction = _ZERO
    limit: Fraction = _ZERO
    share: Fraction = _ZERO

    def close(self) -> None:
        """Another plan's term begins: the one before earned its last limit for its share."""
        self.closed += self.limit * self.share
        self.limit = self.share = _ZERO

    def at(self, instant: datetime) -> Fraction:
        """The running share of the subscribed part of the period."""
        return share_until(instant, self.subscribed, method=self.method, zone=self.zone)

    def budget(self, piece: Stretch, limit: Decimal) -> Budget:
        """That of a segment; its limit replaces what the term had before."""
        if self.method == NOT_AT_ALL:
            return Budget(limit, limit)
        whole = Fraction(limit)
        begins = self.at(piece.start)
        held = self.closed + whole * (self.share + 1 - begins)
        until = self.closed + whole * (self.share + self.at(piece.end) - begins)
        return Budget(rounded(held, PLACES), rounded(until, PLACES))

    def add(self, piece: Stretch, limit: Decimal) -> None:
        """The segment is over."""
        self.limit = Fraction(limit)
        if self.method != NOT_AT_ALL:
            self.share += self.at(piece.end) - self.at(piece.start)


@lru_cache(maxsize=4096)  # late usage comes to the same few periods, and fractions are slow
def budgets_over(terms: Sequence[Stretch], period: Period, begun: datetime, zone: str) -> Sequence[Budget]:
    """Each by the way of division of its own plan, which then holds for the terms before it as well."""
    subscribed = {False: Period(max(period.start, begun), period.end), True: period}
    ways = {(piece.method, piece.prorates_edges) for piece in terms}
    courses = {way: _Course(way[0], zone, subscribed[way[1]]) for way in ways}
    plan_id = ""
    found: list[Budget] = []
    for piece in terms:
        if piece.plan_id != plan_id:
            plan_id = piece.plan_id
            for course in courses.values():
                course.close()
        if piece.limit is None:
            found.append(Budget(None, None))
            continue
        found.append(courses[piece.method, piece.prorates_edges].budget(piece, piece.limit))
        for course in courses.values():
            course.add(piece, piece.limit)
    return tuple(found)
