"""The schedule is crontab's, in UTC, and two beats at one tick agree which tick it was."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.schedule import beat_entries
from tests.support.properties import examples
from usage_billing.core.errors import ConfigurationError
from usage_billing.core.schedule import parse_schedule
from usage_billing.settings import Settings

MINUTE = timedelta(minutes=1)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    """One field of a crontab line."""
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.lists(number, min_size=1, max_size=3).map(lambda numbers: ",".join(map(str, numbers))),
        st.tuples(number, number).map(lambda pair: "{}-{}".format(*sorted(pair))),
        st.integers(1, high).map("*/{}".format),
    )


often = st.tuples(field(0, 59), field(0, 23), st.just("*"), st.just("*"), field(0, 6)).map(" ".join)
rarely = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join)
instants = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


def named(expression: str, low: int, high: int) -> set[int]:
    """The numbers that one field names, by crontab's own definition."""
    found: set[int] = set()
    for part in expression.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def ticks_at(schedule: str, minute: datetime) -> bool:
    """Whether ``schedule`` names this minute."""
    minutes, hours, days, months, weekdays = schedule.split()
    in_month = minute.day in named(days, 1, 31)
    in_week = minute.isoweekday() % 7 in {number % 7 for number in named(weekdays, 0, 7)}
    restricted = not days.startswith("*") and not weekdays.startswith("*")
    return (
        minute.minute in named(minutes, 0, 59)
        and minute.hour in named(hours, 0, 23)
        and minute.month in named(months, 1, 12)
        and (in_month or in_week if restricted else in_month and in_week)
    )


@given(often, instants)
@examples(60)
def test_the_last_tick_is_the_one_found_by_stepping_back_minute_by_minute(schedule: str, now: datetime) -> None:
    minute = now.replace(second=0, microsecond=0)
    while not ticks_at(schedule, minute):
        minute -= MINUTE
    assert parse_schedule(schedule).last_tick(now) == minute


@given(often | rarely, instants)
@examples(150)
def test_the_last_tick_is_named_by_the_schedule_and_not_to_come(schedule: str, now: datetime) -> None:
    tick = parse_schedule(schedule).last_tick(now)
    assert tick <= now
    assert ticks_at(schedule, tick)
    assert (tick.second, tick.microsecond, tick.tzinfo) == (0, 0, UTC)
    assert parse_schedule(schedule).last_tick(tick) == tick


@given(often | rarely, instants, st.integers(0, 3600 * 24))
@examples(150)
def test_two_beats_a_while_apart_agree_unless_a_tick_lies_between(schedule: str, now: datetime, seconds: int) -> None:
    first = parse_schedule(schedule).last_tick(now)
    second = parse_schedule(schedule).last_tick(now + timedelta(seconds=seconds))
    assert second == first or now < second <= now + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("schedule", "now", "tick"),
    [
        ("0 0 * * *", "2026-11-15T00:00:00", "2026-11-15T00:00:00"),
        ("0 0 * * *", "2026-11-15T23:59:59.999999", "2026-11-15T00:00:00"),
        ("0 0 * * *", "2026-11-14T23:59:59.999999", "2026-11-14T00:00:00"),
        ("30 2 1 * *", "2026-11-01T02:29:00", "2026-10-01T02:30:00"),
        ("0 0 29 2 *", "2026-11-15T12:00:00", "2024-02-29T00:00:00"),
        ("0 0 29 2 *", "2104-02-28T12:00:00", "2096-02-29T00:00:00"),
        ("0 0 * * 0", "2026-11-15T12:00:00", "2026-11-15T00:00:00"),
        ("0 0 * * sun", "2026-11-16T12:00:00", "2026-11-15T00:00:00"),
        ("0 0 1 * 1", "2026-11-15T12:00:00", "2026-11-09T00:00:00"),
        ("0 0 1 * 1", "2026-11-08T12:00:00", "2026-11-02T00:00:00"),
        ("0 0 1 * 1", "2026-11-01T12:00:00", "2026-11-01T00:00:00"),
        ("0 0 31 2 1", "2026-03-15T12:00:00", "2026-02-23T00:00:00"),
        ("*/15 * * * *", "2026-11-15T12:14:59", "2026-11-15T12:00:00"),
        ("59 23 31 12 *", "2026-12-31T23:58:59", "2025-12-31T23:59:00"),
    ],
)
def test_the_last_tick(schedule: str, now: str, tick: str) -> None:
    found = parse_schedule(schedule).last_tick(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(tick).replace(tzinfo=UTC)


@given(st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join), instants)
@examples(60)
def test_beats_entries_are_due_when_the_schedule_is(text: str, now: datetime) -> None:
    schedule = parse_schedule(text)
    minute = schedule.last_tick(now)
    for around in (minute - timedelta(days=1), minute - MINUTE, minute, minute + MINUTE, minute + timedelta(days=1)):
        due = any(_names(entry["schedule"], around) for entry in beat_entries(schedule).values())
        assert due == (schedule.last_tick(around) == around)


def _names(when: Any, minute: datetime) -> bool:
    """Whether Celery's crontab ticks at this minute."""
    return (
        minute.minute in when.minute
        and minute.hour in when.hour
        and minute.day in when.day_of_month
        and minute.month in when.month_of_year
        and minute.isoweekday() % 7 in when.day_of_week
    )


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("@daily", "0 0 * * *"),
        (" @MIDNIGHT ", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * sun"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 jan *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * fri-sun"),
        ("0 0 * * 5-7", "0 0 * * 5,6,0"),
        ("0 0 * mar-may Mon", "0 0 * 3-5 1"),
        ("10-30/10 0 * * *", "10,20,30 0 * * *"),
    ],
)
def test_the_spellings_of_cron(text: str, same: str) -> None:
    assert parse_schedule(text) == parse_schedule(same)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("daily", "has 1 fields"),
        ("@reboot", "has 1 fields"),
        ("0 0 * *", "has 4 fields"),
        ("0 0 * * * *", "has 6 fields"),
        ("60 0 * * *", "has '60' as its minute, which is 0 to 59"),
        ("0 24 * * *", "has '24' as its hour, which is 0 to 23"),
        ("0 0 0 * *", "has '0' as its day of the month"),
        ("0 0 * 13 *", "has '13' as its month"),
        ("0 0 * * 8", "has '8' as its day of the week"),
        ("0 0 * * x", "has 'x' as its day of the week"),
        ("0 22-4 * * *", "a span goes from the lower to the higher"),
        ("5/15 * * * *", "has '5/15' as its minute"),
        ("*/0 * * * *", "has '*/0' as its minute"),
        ("0, 0 * * *", "has '' as its minute"),
        ("0 0 31 2,4 *", "names a day that no month of it has"),
        ("a b c d e", "has 'a' as its minute"),
    ],
)
def test_what_is_no_schedule_is_refused_by_the_settings(text: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({"USAGE_BILLING_SCHEDULE": text})
    assert caught.value.message.startswith("USAGE_BILLING_SCHEDULE must be a crontab schedule")
    assert wrong in caught.value.message
    assert "\n" not in caught.value.message
