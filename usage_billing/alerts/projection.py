"""What a period's usage will come to, and how far a day's usage is from what is usual. Pure.

The projection is ``so far + mean of the last full days x what is left``, not before a tenth of the period and a day of
it are over. What is unusual is measured in median deviations: the distance from the median of the same weekdays, by the
median of their own distances from it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from usage_billing.core.decimals import PLACES
from usage_billing.core.periods import Period

DAYS = 7
"""The full days whose mean is taken."""
FIRST_WEEK, LAST_WEEK = 4, 8
"""At least so many of the same weekday are compared with, and at most those of so many weeks."""

_DAY = timedelta(days=1)
_LEAST_OF_MEDIAN = Fraction(1, 100)


def may_project(period: Period, now: datetime) -> bool:
    """Whether enough of a period is over to say what it will come to: a tenth of it, and a day."""
    gone = now - period.start
    return now < period.end and gone >= _DAY and gone * 10 >= period.end - period.start


def still_to_come(days: Sequence[Decimal], left: timedelta) -> Decimal:
    """What comes in the time that is ``left``, by the mean of some full days, rounded to 12 places; 0 without days."""
    if not days:
        return Decimal(0)
    mean = sum(map(Fraction, days)) / len(days)
    coming = mean * Fraction(left // timedelta(microseconds=1), _DAY // timedelta(microseconds=1))
    return Decimal(round(coming * 10**PLACES)).scaleb(-PLACES)


def median(values: Sequence[Fraction]) -> Fraction:
    """The middle one of these, at least one, or the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def is_unusual(today: Decimal, days: Sequence[Decimal], *, deviations: Decimal) -> bool:
    """Whether ``today`` is above the median of ``days`` by so many median deviations, or more.

    A deviation is at least a hundredth of the median, or else days that are all alike would make any other unusual.
    Where the median is 0, or the days are fewer than FIRST_WEEK, nothing is.
    """
    if len(days) < FIRST_WEEK:
        return False
    values = [Fraction(one) for one in days]
    middle = median(values)
    if middle <= 0:
        return False
    deviation = max(median([abs(one - middle) for one in values]), middle * _LEAST_OF_MEDIAN)
    return Fraction(today) >= middle + Fraction(deviations) * deviation


def usual(days: Sequence[Decimal]) -> Decimal:
    """The median of some days, at least one, rounded to 12 places."""
    return Decimal(round(median([Fraction(one) for one in days]) * 10**PLACES)).scaleb(-PLACES)
