"""Billing periods: half-open spans of UTC time, computed on the calendar of a time zone. Pure.

The n-th period starts at the anchor plus n intervals, always counted from the anchor itself. Steps from one period to
the next would drift from the 31st to the 28th and never come back.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib.resources import files
from itertools import count
from zoneinfo import ZoneInfo

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
# Calendar periods are counted from here: a Monday for days and weeks, a January for months and years.
_FIRST_MONDAY = datetime(2001, 1, 1)  # noqa: DTZ001
_FIRST_JANUARY = datetime(2000, 1, 1)  # noqa: DTZ001


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """``start <= instant < end``, both aware UTC."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


@dataclass(frozen=True, slots=True)
class Cadence:
    """How often, and from when: every ``count`` intervals.

    ``anchor`` (aware) makes periods begin at its anniversaries, in local time; None aligns them to the calendar:
    midnight, Monday, the first of the month, quarter or year, counted from 2000 or 2001 when ``count`` is not 1.

    ``day`` (1 to 31) is the day of the month that periods by the calendar begin on: in a shorter month its last day.
    """

    interval: str = "month"
    count: int = 1
    anchor: datetime | None = None
    day: int = 1


MONTHLY = Cadence()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    # Of the package, not of the machine: its folder may also have `localtime`, which is another zone on each.
    names = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(names) - {"Factory"}  # of a machine that was told no zone


def is_time_zone(name: str) -> bool:
    """Whether ``name`` is a time zone of the IANA database, such as ``Europe/Berlin``: the same on every machine."""
    return name in _zones()


def local_instant(local: datetime, *, zone: str) -> datetime:
    """The aware UTC instant of a wall-clock time, by the rule of ``_start`` where the clocks change."""
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def periods_between(start: datetime, end: datetime, *, zone: str, cadence: Cadence = MONTHLY) -> int:
    """How many periods of those that hold ``start`` and what follows are over by ``end``; none if it is earlier."""
    return max(0, _number_at(end, zone, cadence) - _number_at(start, zone, cadence))


def period_at(instant: datetime, *, zone: str, cadence: Cadence = MONTHLY) -> Period:
    """The period that holds ``instant``; every instant is in exactly one."""
    return _period(_number_at(instant, zone, cadence), zone, cadence)


def _number_at(instant: datetime, zone: str, cadence: Cadence) -> int:
    """The number of the period that holds ``instant``."""
    clock = ZoneInfo(zone)
    number = _guess(instant.astimezone(clock).date(), _local_anchor(cadence, clock).date(), cadence)
    while (period := _period(number, zone, cadence)).start > instant:
        number -= 1
    while period.end <= instant:
        number += 1
        period = _period(number, zone, cadence)
    return number


def next_period(period: Period, *, zone: str, cadence: Cadence = MONTHLY) -> Period:
    """The period that begins where ``period`` ends."""
    return period_at(period.end, zone=zone, cadence=cadence)


def periods_from(instant: datetime, *, zone: str, cadence: Cadence = MONTHLY) -> Iterator[Period]:
    """The period that holds ``instant``, and without end those after it, each beginning where the one before ends.

    A day that a zone's calendar skips has no length, and is left out.
    """
    for number in count(_number_at(instant, zone, cadence)):
        period = _period(number, zone, cadence)
        if period.start < period.end:
            yield period


@lru_cache(maxsize=4096)
def _period(number: int, zone: str, cadence: Cadence) -> Period:
    """The ``number``-th period from the anchor on."""
    clock = ZoneInfo(zone)
    anchor = _local_anchor(cadence, clock)
    return Period(_start(number, anchor, cadence, clock), _start(number + 1, anchor, cadence, clock))


def _local_anchor(cadence: Cadence, clock: ZoneInfo) -> datetime:
    """The anchor as a local wall-clock time, without a zone."""
    if cadence.anchor is not None:
        return cadence.anchor.astimezone(clock).replace(tzinfo=None, fold=0)
    return _FIRST_MONDAY if cadence.interval in _DAYS else _FIRST_JANUARY.replace(day=cadence.day)


def _guess(day: date, anchor: date, cadence: Cadence) -> int:
    """About the number of the period around ``day``: a change of the clocks can put it wrong by one or two."""
    if cadence.interval in _DAYS:
        return (day - anchor).days // (_DAYS[cadence.interval] * cadence.count)
    months = (day.year - anchor.year) * 12 + day.month - anchor.month
    return months // (_MONTHS[cadence.interval] * cadence.count)


def _start(number: int, anchor: datetime, cadence: Cadence, clock: ZoneInfo) -> datetime:
    """When the ``number``-th period starts.

    A wall-clock time that the clocks skip is read by the offset from before the skip. Of a time that comes twice, the
    first counts.
    """
    if cadence.interval in _DAYS:
        local = anchor + timedelta(days=number * cadence.count * _DAYS[cadence.interval])
    else:
        local = _plus_months(anchor, number * cadence.count * _MONTHS[cadence.interval])
    return local.replace(tzinfo=clock).astimezone(UTC)


def _plus_months(anchor: datetime, months: int) -> datetime:
    """``anchor`` moved on by ``months``; in a month that has no such day, to its last day."""
    index = anchor.year * 12 + anchor.month - 1 + months
    year, month = index // 12, index % 12 + 1
    day = min(anchor.day, monthrange(year, month)[1])
    return datetime.combine(date(year, month, day), time(anchor.hour, anchor.minute, anchor.second, anchor.microsecond))
