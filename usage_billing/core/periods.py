"""Billing periods: half-open spans of UTC time, computed on the calendar of a time zone.

Today the calendar month; the door for other intervals is ``period_at``, which every caller goes through.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """``start <= instant < end``, both aware UTC."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


def is_time_zone(name: str) -> bool:
    """Whether ``name`` is a time zone of the IANA database, such as ``Europe/Berlin``."""
    return name in available_timezones()


def period_at(instant: datetime, *, zone: str) -> Period:
    """The calendar month in ``zone`` that holds ``instant``; every instant is in exactly one."""
    local = instant.astimezone(ZoneInfo(zone))
    period = _month(local.year, local.month, zone)
    # Where a zone's clock is set back over midnight of the first, the local month leads by that hour.
    if instant >= period.end:
        return _month(*_following(local.year, local.month), zone)
    if instant < period.start:
        return _month(*_preceding(local.year, local.month), zone)
    return period


def next_period(period: Period, *, zone: str) -> Period:
    """The period that begins where ``period`` ends."""
    return period_at(period.end, zone=zone)


def _month(year: int, month: int, zone: str) -> Period:
    return Period(_first_of(year, month, zone), _first_of(*_following(year, month), zone))


def _first_of(year: int, month: int, zone: str) -> datetime:
    return datetime(year, month, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _following(year: int, month: int) -> tuple[int, int]:
    return (year + month // 12, month % 12 + 1)


def _preceding(year: int, month: int) -> tuple[int, int]:
    return (year - (month == 1), (month - 2) % 12 + 1)
