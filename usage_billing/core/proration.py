"""Divides a whole over parts of a period so that the parts always add up to the whole. Pure.

Each part is the difference of two rounded running shares, never a rounded share of its own. So the next part gains what
one part loses by rounding.
"""

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from usage_billing.core.choices import BY_DAYS
from usage_billing.core.decimals import EXACT, PLACES
from usage_billing.core.money import round_to_minor_unit
from usage_billing.core.periods import Period


def share_until(instant: datetime, period: Period, *, method: str, zone: str) -> Fraction:
    """How much of ``period`` has passed at ``instant``: 0 at its start, 1 at its end.

    The method ``time`` counts microseconds, ``days`` counts local calendar days. The day of a change belongs to the
    part after the change.
    """
    if instant <= period.start:
        return Fraction(0)
    if instant >= period.end:
        return Fraction(1)
    if method == BY_DAYS:
        first = _local_day(period.start, zone)
        days = (_local_day(period.end, zone) - first).days
        if days > 0:
            return Fraction(min(days, max(0, (_local_day(instant, zone) - first).days)), days)
    return Fraction(_microseconds(period.start, instant), _microseconds(period.start, period.end))


def part_of(whole: Decimal, start: Fraction, end: Fraction, *, places: int) -> Decimal:
    """The part of ``whole`` from share ``start`` to share ``end``, with ``places`` decimal places.

    Over parts that tile 0 to 1 the results add up to ``whole`` rounded to ``places``.
    """
    if start == 0 and end == 1:
        return round_to_minor_unit(whole, places)
    return EXACT.subtract(_running(whole, end, places), _running(whole, start, places))


def rounded(exact: Fraction, places: int) -> Decimal:
    """``exact`` (0 or more) rounded half up to so many decimal places."""
    # Rounded half up on integers, because a fraction such as a third has no exact decimal.
    scaled = exact * 10**places
    halves = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return EXACT.scaleb(Decimal(halves), -places)


def quotient(whole: Fraction, number: int) -> Decimal:
    """``whole`` by ``number``, of either sign, rounded half up, away from zero, to the places of a quantity."""
    size = rounded(abs(whole) / number, PLACES)
    return size if whole >= 0 else EXACT.minus(size)


def _running(whole: Decimal, share: Fraction, places: int) -> Decimal:
    if share == 1:
        return round_to_minor_unit(whole, places)
    return rounded(Fraction(whole) * share, places)


def _local_day(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def _microseconds(start: datetime, end: datetime) -> int:
    span = end - start
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds
