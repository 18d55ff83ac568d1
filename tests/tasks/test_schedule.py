"""The schedule is crontab's, in UTC, and two beats at one tick agree which tick it was."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.schedule import last_tick, parse_schedule
from tests.support.properties import examples
from usage_billing.core.errors import ConfigurationError

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
rarely = st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), st.just("*")).map(" ".join)
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
    return (
        minute.minute in named(minutes, 0, 59)
        and minute.hour in named(hours, 0, 23)
        and minute.day in named(days, 1, 31)
        and minute.month in named(months, 1, 12)
        and minute.isoweekday() % 7 in named(weekdays, 0, 6)
    )


@given(often, instants)
@examples(60)
def test_the_last_tick_is_the_one_found_by_stepping_back_minute_by_minute(schedule: str, now: datetime) -> None:
    minute = now.replace(second=0, microsecond=0)
    while not ticks_at(schedule, minute):
        minute -= MINUTE
    assert last_tick(parse_schedule(schedule), now) == minute


@given(often | rarely, instants)
@examples(150)
def test_the_last_tick_is_named_by_the_schedule_and_not_to_come(schedule: str, now: datetime) -> None:
    tick = last_tick(parse_schedule(schedule), now)
    assert tick <= now
    assert ticks_at(schedule, tick)
    assert (tick.second, tick.microsecond, tick.tzinfo) == (0, 0, UTC)
    assert last_tick(parse_schedule(schedule), tick) == tick


@given(often | rarely, instants, st.integers(0, 3600 * 24))
@examples(150)
def test_two_beats_a_while_apart_agree_unless_a_tick_lies_between(schedule: str, now: datetime, seconds: int) -> None:
    first = last_tick(parse_schedule(schedule), now)
    second = last_tick(parse_schedule(schedule), now + timedelta(seconds=seconds))
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
        ("*/15 * * * *", "2026-11-15T12:14:59", "2026-11-15T12:00:00"),
        ("59 23 31 12 *", "2026-12-31T23:58:59", "2025-12-31T23:59:00"),
    ],
)
def test_the_last_tick(schedule: str, now: str, tick: str) -> None:
    found = last_tick(parse_schedule(schedule), datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(tick).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "daily", "0 0 * *", "0 0 * * * *", "60 0 * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "a b c d e"]
)
def test_what_is_no_schedule_is_named_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_schedule(text)
    assert "USAGE_BILLING_SCHEDULE" in caught.value.message
