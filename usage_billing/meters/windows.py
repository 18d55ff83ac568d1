"""Windows of local time: minutes, hours, days, weeks and months of a time zone, one after the other. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from usage_billing.core.instants import INSTANT
from usage_billing.core.periods import Cadence, Period, periods_from

BY = ("minute", "5m", "hour", "day", "week", "month")
FIVE_MINUTES = timedelta(minutes=5)
_STEPS = {"minute": timedelta(minutes=1), "5m": FIVE_MINUTES}
_STEP = timedelta(minutes=15)  # no clock is changed by less, and no zone is a smaller part of an hour from UTC


def windows_of(start: datetime, end: datetime, *, by: str, zone: str) -> Iterator[Period]:
    """The whole windows that ``start`` to before ``end`` touches, in UTC; nothing is twice or left out.

    An hour ends where the local clock shows a full hour next, or the clocks change by a part of one.
    """
    if by in _STEPS:
        yield from _steps(start, end, _STEPS[by])
        return
    if by == "hour":
        yield from _hours(start, end, ZoneInfo(zone))
        return
    yield from takewhile(lambda one: one.start < end, periods_from(start, zone=zone, cadence=Cadence(interval=by)))


def _steps(start: datetime, end: datetime, step: timedelta) -> Iterator[Period]:
    begins = start - (start - datetime(1970, 1, 1, tzinfo=UTC)) % step
    while begins < end:
        yield Period(begins, begins + step)
        begins += step


def _hours(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Period]:
    begins = start - timedelta(minutes=start.minute % 15, seconds=start.second, microseconds=start.microsecond)
    while not _is_full(begins, zone):
        begins -= _STEP
    while begins < end:
        ends = begins + _STEP
        while not _is_full(ends, zone):
            ends += _STEP
        yield Period(begins, ends)
        begins = ends


def _is_full(instant: datetime, zone: ZoneInfo) -> bool:
    before = (instant - INSTANT).astimezone(zone)
    here = instant.astimezone(zone)
    changes = (here.utcoffset() or timedelta()) - (before.utcoffset() or timedelta())
    return here.minute == 0 or bool(changes % timedelta(hours=1))
