"""The schedule of the daily chain as entries of beat."""

from collections.abc import Collection
from typing import Any

from celery.schedules import crontab

from usage_billing.core.schedule import Schedule


def beat_entries(schedule: Schedule) -> dict[str, Any]:
    """The entries of beat that together tick when ``schedule`` does, by name.

    Celery's crontab asks for both days where cron asks for either, so such a schedule becomes two entries. On a day
    that is both, both tick: the two messages carry one tick, and so open one run.
    """
    if not schedule.either:
        return {"daily-chain": _entry(schedule, days=schedule.days, weekdays=schedule.weekdays)}
    return {
        "daily-chain": _entry(schedule, days=schedule.days, weekdays=range(7)),
        "daily-chain-by-weekday": _entry(schedule, days=range(1, 32), weekdays=schedule.weekdays),
    }


def _entry(schedule: Schedule, *, days: Collection[int], weekdays: Collection[int]) -> dict[str, Any]:
    when = crontab(
        minute=_listed(schedule.minutes),
        hour=_listed(schedule.hours),
        day_of_month=_listed(days),
        month_of_year=_listed(schedule.months),
        day_of_week=_listed(weekdays),
    )
    return {"task": "billing.run_daily", "schedule": when, "kwargs": {"scheduled": True}}


def _listed(numbers: Collection[int]) -> str:
    """As text, because RedBeat keeps a schedule in Redis as JSON."""
    return ",".join(map(str, sorted(numbers)))
