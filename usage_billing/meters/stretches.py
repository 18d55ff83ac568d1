"""How long a bucket is, so that hours and days of a time zone are made of whole ones. Pure.

Buckets are counted from the epoch in UTC. Where a zone is a whole number of hours from UTC, its hours are those of UTC.
Kathmandu is 5:45 ahead: buckets of 15 minutes serve it. Lord Howe's clocks change by half an hour: 30 minutes do.
A meter with windows of 5 minutes has buckets as short.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import gcd
from zoneinfo import ZoneInfo

from usage_billing.meters.definition import Definition
from usage_billing.meters.windowing import Every

FIVE_MINUTES = 5
_HOUR = 60
_DAY = timedelta(days=1)


@lru_cache(maxsize=4096)
def bucket_minutes(zone: str, year: int) -> int:
    """60, or what of it divides the zone's distance from UTC on every day of the year."""
    place, day, found = ZoneInfo(zone), datetime(year, 1, 1, tzinfo=UTC), _HOUR
    while day.year == year:
        offset = day.astimezone(place).utcoffset() or timedelta()
        found = gcd(found, int(offset.total_seconds()) // 60)
        day += _DAY
    return found


def minutes_within(zone: str, start: datetime, end: datetime) -> int:
    """The length of a bucket for a span, in minutes: it serves every year that the span touches."""
    return gcd(*(bucket_minutes(zone, year) for year in range(start.year, end.year + 1)))


def minutes_for(definition: Definition, zone: str, start: datetime, end: datetime) -> int:
    """The length of a bucket of a meter, in minutes: its own windows are made of whole ones too."""
    windowing = definition.windowing
    if windowing is not None and windowing.every == Every.FIVE_MINUTES:
        return FIVE_MINUTES
    return minutes_within(zone, start, end)
