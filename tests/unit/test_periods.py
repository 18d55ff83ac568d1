"""Periods tile time: no gap, no overlap, every instant in exactly one, whatever the clocks of a zone do."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones, reset_tzpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.core import periods
from usage_billing.core.choices import INTERVALS
from usage_billing.core.periods import Cadence, Period, is_time_zone, next_period, period_at

ZONES = sorted(available_timezones())
# Clocks that move at midnight, by half an hour, by two; a day that never was; offsets of quarter hours.
STRANGE = [
    "America/Sao_Paulo",
    "America/Santiago",
    "America/St_Johns",
    "America/Asuncion",
    "America/Havana",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Asia/Amman",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Antarctica/Troll",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Fakaofo",
    "Pacific/Kwajalein",
]
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
MOMENT = timedelta(microseconds=1)
some_zone = st.one_of(st.sampled_from(STRANGE), st.sampled_from(ZONES))


@st.composite
def cadences(draw: st.DrawFn) -> Cadence:
    """Any rhythm, on the calendar or from an anniversary, at midnight or at any other time."""
    anchor = draw(st.one_of(st.none(), INSTANTS))
    return Cadence(interval=draw(st.sampled_from(INTERVALS)), count=draw(st.integers(1, 13)), anchor=anchor)


def assert_tiles(period: Period, instant: datetime, zone: str, cadence: Cadence) -> None:
    """``period`` holds ``instant``, is found from anywhere within, and its neighbours begin and end where it does."""
    assert instant in period
    assert period.start < period.end
    for inside in (period.start, period.end - MOMENT, period.start + (period.end - period.start) / 2):
        assert period_at(inside, zone=zone, cadence=cadence) == period
    assert next_period(period, zone=zone, cadence=cadence).start == period.end
    assert period_at(period.start - MOMENT, zone=zone, cadence=cadence).end == period.start


@given(INSTANTS, some_zone)
@examples(200)
def test_every_instant_is_in_exactly_one_month(instant: datetime, zone: str) -> None:
    assert_tiles(period_at(instant, zone=zone), instant, zone, Cadence())


@given(INSTANTS, some_zone, cadences())
@examples(200)
def test_every_instant_is_in_exactly_one_period_of_any_rhythm(instant: datetime, zone: str, cadence: Cadence) -> None:
    assert_tiles(period_at(instant, zone=zone, cadence=cadence), instant, zone, cadence)


@pytest.mark.parametrize("zone", STRANGE)
def test_a_month_begins_at_the_first_moment_of_its_first_day(zone: str) -> None:
    clock = ZoneInfo(zone)
    period = period_at(datetime(1990, 6, 15, tzinfo=UTC), zone=zone)
    for number in range(6, 12 * 55):
        year, month = 1990 + (number - 1) // 12, (number - 1) % 12 + 1
        local, before = period.start.astimezone(clock), (period.start - MOMENT).astimezone(clock)
        assert (local.year, local.month, local.day) == (year, month, 1), zone
        assert before.day == monthrange(before.year, before.month)[1], zone
        # Midnight, unless the clocks skipped it.
        assert local.time() == datetime.min.time() or before.utcoffset() != local.utcoffset(), zone
        following = next_period(period, zone=zone)
        assert following.start == period.end
        for minutes in (1, 30, 59, 90):
            assert period_at(period.end - timedelta(minutes=minutes), zone=zone) == period, zone
            assert period_at(period.end + timedelta(minutes=minutes), zone=zone) == following, zone
        period = following


def test_the_months_of_every_zone_follow_each_other() -> None:
    for zone in ZONES:
        period = period_at(datetime(2010, 1, 15, tzinfo=UTC), zone=zone)
        for _ in range(12 * 10):
            following = next_period(period, zone=zone)
            assert following.start == period.end, zone
            assert timedelta(days=27) < following.end - following.start < timedelta(days=32), zone
            period = following


def test_a_day_that_never_was_has_no_period() -> None:
    before = period_at(datetime(2011, 12, 30, 9, 59, tzinfo=UTC), zone="Pacific/Apia", cadence=Cadence("day"))
    after = next_period(before, zone="Pacific/Apia", cadence=Cadence("day"))
    assert before.end.astimezone(ZoneInfo("Pacific/Apia")).date() == date(2011, 12, 31)
    assert after.end - after.start == timedelta(days=1)


def test_a_midnight_that_comes_twice_begins_the_month_once() -> None:
    # Cuba's clocks went back from one to midnight: 00:30 of 1 November came at 04:30 and at 05:30 UTC.
    for minute in (30, 90):
        instant = datetime(2020, 11, 1, 4, tzinfo=UTC) + timedelta(minutes=minute)
        assert period_at(instant, zone="America/Havana").start == datetime(2020, 11, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Sao_Paulo"])
def test_an_anniversary_on_the_31st_falls_on_the_last_day_of_short_months_and_returns(zone: str) -> None:
    cadence = Cadence(anchor=datetime(2023, 1, 31, 12, tzinfo=UTC))
    period = period_at(datetime(2023, 2, 1, tzinfo=UTC), zone=zone, cadence=cadence)
    days = []
    for _ in range(14):
        days.append(period.start.astimezone(ZoneInfo(zone)).day)
        period = next_period(period, zone=zone, cadence=cadence)
    assert days == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29]


@pytest.mark.parametrize(
    ("cadence", "start", "end"),
    [
        (Cadence("day"), (2026, 11, 15), (2026, 11, 16)),
        (Cadence("week"), (2026, 11, 9), (2026, 11, 16)),
        (Cadence("month"), (2026, 11, 1), (2026, 12, 1)),
        (Cadence("quarter"), (2026, 10, 1), (2027, 1, 1)),
        (Cadence("year"), (2026, 1, 1), (2027, 1, 1)),
        (Cadence("month", 2), (2026, 11, 1), (2027, 1, 1)),
    ],
)
def test_calendar_periods_begin_where_people_expect(
    cadence: Cadence, start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    found = period_at(datetime(2026, 11, 15, 12, tzinfo=UTC), zone="UTC", cadence=cadence)
    assert found == Period(datetime(*start, tzinfo=UTC), datetime(*end, tzinfo=UTC))


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "europe/berlin", "Europe/Berlin\x00", "UTC+1"])
def test_what_is_not_in_the_iana_database_is_no_time_zone(name: str) -> None:
    assert not is_time_zone(name)


def test_what_one_machine_alone_calls_a_zone_is_none(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Debian's folder of zones has a link to the machine's own."""
    names = ("localtime", "Company/Office")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(files("tzdata").joinpath("zoneinfo", "UTC").read_bytes())
    request.addfinalizer(reset_tzpath)
    reset_tzpath([str(tmp_path)])
    periods._zones.cache_clear()
    assert set(names) <= available_timezones()
    assert [name for name in (*names, "Factory") if is_time_zone(name)] == []


def test_every_name_of_the_iana_database_is_a_zone_here() -> None:
    for name in periods._zones():
        ZoneInfo(name)


def test_utc_is_a_time_zone() -> None:
    assert is_time_zone("UTC")
    assert is_time_zone("Europe/Berlin")
