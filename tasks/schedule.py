"""The schedule of the daily chain, in crontab syntax as in the founding document's cron script."""

from datetime import datetime, timedelta
from typing import Any

from celery.schedules import ParseException, crontab

from usage_billing.core.errors import ConfigurationError

# 29 February may be eight years back: 1900 and 2100 are no leap years.
_DAYS_BACK = 366 * 8


def parse_schedule(text: str) -> Any:
    """Read ``minute hour day-of-month month day-of-week``, in UTC; raises ConfigurationError."""
    try:
        minute, hour, day, month, weekday = text.split()
        return crontab(minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=weekday)
    except (ParseException, ValueError) as error:
        raise ConfigurationError(
            f"USAGE_BILLING_SCHEDULE {text!r} is no crontab schedule such as '0 0 * * *'"
        ) from error


def last_tick(schedule: Any, now: datetime) -> datetime:
    """The latest minute up to ``now`` (UTC) that ``schedule`` names. Two beats that tick together get the same one."""
    for back in range(_DAYS_BACK):
        day = (now - timedelta(days=back)).replace(hour=23, minute=59, second=0, microsecond=0)
        if not _is_due_on(schedule, day):
            continue
        for hour in sorted(schedule.hour, reverse=True):
            for minute in sorted(schedule.minute, reverse=True):
                tick = day.replace(hour=hour, minute=minute)
                if tick <= now:
                    return tick
    return now.replace(second=0, microsecond=0)


def _is_due_on(schedule: Any, day: datetime) -> bool:
    return (
        day.month in schedule.month_of_year
        and day.day in schedule.day_of_month
        and day.isoweekday() % 7 in schedule.day_of_week
    )
