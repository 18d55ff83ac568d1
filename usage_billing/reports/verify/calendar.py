"""Billing periods and shares of them computed once more, not by the code that is checked. Pure."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor
from zoneinfo import ZoneInfo

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_MEAN_MONTH = Fraction(1461, 48)  # days
_UNIT = timedelta(microseconds=1)
_MONDAY = datetime(2001, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_JANUARY = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How periods follow each other: ``count`` intervals each, by a zone's calendar or from ``anchor`` (aware) on."""

    zone: str
    interval: str = "month"
    count: int = 1
    anchor: datetime | None = None
    day: int = 1


@lru_cache(maxsize=8192)
def period_of(rhythm: Rhythm, instant: datetime) -> tuple[datetime, datetime]:
    """The start and the end, in UTC, of the period that holds ``instant``."""
    days = _DAYS[rhythm.interval] if rhythm.interval in _DAYS else _MONTHS[rhythm.interval] * _MEAN_MONTH
    gone = Fraction((instant - _start(rhythm, 0)) // _UNIT, timedelta(days=1) // _UNIT)
    number = floor(gone / (days * rhythm.count))
    while _start(rhythm, number) > instant:
        number -= 1
    while _start(rhythm, number + 1) <= instant:
        number += 1
    return _start(rhythm, number), _start(rhythm, number + 1)


def _start(rhythm: Rhythm, number: int) -> datetime:
    zone = ZoneInfo(rhythm.zone)
    if rhythm.anchor is not None:
        first = rhythm.anchor.astimezone(zone).replace(tzinfo=None, fold=0)
    else:
        first = _MONDAY if rhythm.interval in _DAYS else _JANUARY.replace(day=rhythm.day)
    if rhythm.interval in _DAYS:
        local = first + timedelta(days=_DAYS[rhythm.interval] * rhythm.count * number)
    else:
        month = first.month - 1 + _MONTHS[rhythm.interval] * rhythm.count * number
        year, month = first.year + month // 12, month % 12 + 1
        local = first.replace(year=year, month=month, day=min(first.day, monthrange(year, month)[1]))
    return local.replace(tzinfo=zone).astimezone(UTC)


def share_over(period: tuple[datetime, datetime], instant: datetime, *, method: str, zone: str) -> Fraction:
    """How much of ``period`` is over at ``instant``, by exact time or by local days."""
    start, end = period
    if instant <= start or instant >= end:
        return Fraction(int(instant >= end))
    if method == "days":
        first, at, last = (moment.astimezone(ZoneInfo(zone)).date() for moment in (start, instant, end))
        if last > first:
            return Fraction(min(max((at - first).days, 0), (last - first).days), (last - first).days)
    return Fraction((instant - start) // _UNIT, (end - start) // _UNIT)


def part(whole: Decimal, first: Fraction, last: Fraction, *, places: int) -> Decimal:
    """The part of ``whole`` between two shares: the difference of the running shares, each rounded to ``places``."""
    units = [floor(Fraction(whole) * share * 10**places + Fraction(1, 2)) for share in (first, last)]
    return Decimal(units[1] - units[0]).scaleb(-places)
