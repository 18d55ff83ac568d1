"""Levels once more, from docs/metering.md: stepped through from one recording to the next. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from usage_billing.reports.verify.functions import Span, exactly, half_up

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
MICROSECONDS = {"second": 10**6, "hour": 3600 * 10**6, "day": 86_400 * 10**6}
"""Of one unit of time, by what a level counts per."""


class Step(NamedTuple):
    """A recording that counts: of two at one instant the higher ordinal comes later."""

    at: datetime
    ordinal: int
    value: Decimal
    series: str


class Course:
    """A level that is 0 before these steps, and what they make of it; they are in order."""

    def __init__(self, steps: Sequence[Step], *, is_set: bool) -> None:
        self.is_set = is_set
        self._moments: list[datetime] = []
        self._levels: list[Fraction] = []
        now: dict[str, Fraction] = {}
        stands = Fraction(0)
        for step in steps:
            before = now.get(step.series, Fraction(0))
            now[step.series] = Fraction(step.value) + (0 if is_set else before)
            stands += now[step.series] - before
            self._moments.append(step.at)
            self._levels.append(stands)

    def area(self, start: datetime, end: datetime) -> Fraction:
        """Units times microseconds from ``start`` to ``end``."""
        place = bisect_right(self._moments, start)
        area, stands, at = Fraction(0), self._levels[place - 1] if place else Fraction(0), start
        while place < len(self._moments) and self._moments[place] < end:
            area += stands * ((self._moments[place] - at) // _INSTANT)
            at, stands = self._moments[place], self._levels[place]
            place += 1
        return area + stands * (max(end - at, timedelta(0)) // _INSTANT)

    def level(self, at: datetime, *, ends: bool) -> Fraction:
        """What it is at an instant, or just before one at which a segment ``ends``."""
        place = (bisect_left if ends else bisect_right)(self._moments, at)
        return self._levels[place - 1] if place else Fraction(0)


def in_span(course: Course, per: str, spans: Sequence[Span], place: int, *, upto: datetime) -> Decimal:
    """What falls to segment number ``place`` of a billing period, reckoned as of ``upto``; it may be negative."""
    begun = [(start, max(start, min(end, upto))) for start, end in spans]
    if per == "end":
        reached = [course.level(end, ends=end == whole) for (_, end), (_, whole) in zip(begun, spans, strict=True)]
        return exactly(reached[place] - (reached[place - 1] if place else 0)) if spans[place][0] <= upto else Decimal(0)
    areas = [course.area(*one) for one in begun]
    times = [(end - start) // _INSTANT for start, end in begun]
    if per == "period":
        mean = half_up(sum(areas, Fraction(0)) / sum(times)) if sum(times) else Fraction(0)
        ends, begins = (half_up(mean * Fraction(sum(times[:end]), sum(times) or 1)) for end in (place + 1, place))
    else:
        ends, begins = (half_up(sum(areas[:end], Fraction(0)) / MICROSECONDS[per]) for end in (place + 1, place))
    return exactly(ends - begins)


def weighted(steps: Sequence[Step], *, is_set: bool) -> Fraction:
    """The sum of each change times its microseconds from the epoch; of one that is set, without the first."""
    found, last = Fraction(0), None
    for step in sorted(steps, key=lambda step: (step.at, step.ordinal)):
        moment = (step.at - _EPOCH) // _INSTANT
        if not is_set:
            found += Fraction(step.value) * moment
        elif last is not None:
            found += (Fraction(step.value) - last) * moment
        last = Fraction(step.value)
    return found


def ends_of(steps: Sequence[Step]) -> tuple[Any, Any]:
    """The first and the last: microseconds from the epoch, ordinal and value, as the books keep them."""
    in_order = sorted(((step.at - _EPOCH) // _INSTANT, step.ordinal, step.value) for step in steps)
    return (in_order[0], in_order[-1]) if in_order else (None, None)
