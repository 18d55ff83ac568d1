"""The schedule of the daily chain, in crontab syntax and UTC. Pure.

Five fields name minutes, hours, days of the month, months and days of the week, as in crontab(5). Where neither field
of days begins with ``*``, either of the two days is enough, as in cron.
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

SHORTHANDS: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:(?P<all>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d{1,2}))?", re.ASCII)
_LEAP_YEAR = 2024
# 29 February may be eight years back: 1900 and 2100 are no leap years.
_DAYS_BACK = 366 * 8


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the daily chain is due. Days of the week run from 0, which is Sunday, to 6.

    ``either``: a day is due if it is one of ``days`` or one of ``weekdays``; otherwise it must be both.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def last_tick(self, now: datetime) -> datetime:
        """The latest minute up to ``now`` (UTC) that this schedule names; two beats that tick together get the same."""
        for back in range(_DAYS_BACK):
            day = (now - timedelta(days=back)).replace(hour=23, minute=59, second=0, microsecond=0)
            if not self._is_due_on(day):
                continue
            for tick in self._latest_first(day):
                if tick <= now:
                    return tick
        return now.replace(second=0, microsecond=0)

    def _is_due_on(self, day: datetime) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and (in_month or in_week if self.either else in_month and in_week)

    def _latest_first(self, day: datetime) -> Iterator[datetime]:
        for hour in sorted(self.hours, reverse=True):
            for minute in sorted(self.minutes, reverse=True):
                yield day.replace(hour=hour, minute=minute)


def parse_schedule(text: str) -> Schedule:
    """Read five fields, or one of ``SHORTHANDS``; raises ValueError that says what is wrong."""
    fields = SHORTHANDS.get(text.strip().lower(), text).lower().split()
    if len(fields) != 5:  # noqa: PLR2004
        raise ValueError(f"has {len(fields)} fields, not five, and is none of {', '.join(SHORTHANDS)}")
    schedule = Schedule(
        minutes=_numbers(fields[0], "minute", low=0, high=59),
        hours=_numbers(fields[1], "hour", low=0, high=23),
        days=_numbers(fields[2], "day of the month", low=1, high=31),
        months=_numbers(fields[3], "month", low=1, high=12, names=_MONTHS),
        weekdays=frozenset(n % 7 for n in _numbers(fields[4], "day of the week", low=0, high=7, names=_WEEKDAYS)),
        either=not fields[2].startswith("*") and not fields[4].startswith("*"),
    )
    longest = max(monthrange(_LEAP_YEAR, month)[1] for month in schedule.months)
    if not schedule.either and min(schedule.days) > longest:
        raise ValueError("names a day that no month of it has")
    return schedule


def _numbers(text: str, field: str, *, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    """The numbers that one field names: a list of ``*``, numbers and spans, the first and the last with a step."""
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        step = int((match and match["step"]) or 1)
        if match is None or step == 0 or (match["step"] and match["first"] and not match["last"]):
            raise ValueError(f"has {part!r} as its {field}")
        first = low if match["all"] else _number(match["first"], field, low=low, high=high, names=names)
        last = first
        if match["all"]:
            last = high
        elif match["last"]:
            last = _number(match["last"], field, low=low, high=high, names=names)
        if last < first and last == 0 and names:
            last = high  # fri-sun: Sunday is 7 as well
        if last < first:
            raise ValueError(f"has {part!r} as its {field}: a span goes from the lower to the higher")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, field: str, *, low: int, high: int, names: tuple[str, ...]) -> int:
    """One number, or a name of three letters."""
    number = low + names.index(text) if text in names else int(text) if text.isdigit() else high + 1
    if not low <= number <= high:
        raise ValueError(f"has {text!r} as its {field}, which is {low} to {high}")
    return number
