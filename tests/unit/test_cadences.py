"""Periods of every interval tile time, and anchors come back to their day."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.core.periods import Cadence, next_period, period_at, periods_from

INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda when: when.replace(tzinfo=UTC))
COUNTS = {"day": 40, "week": 10, "month": 18, "quarter": 5, "year": 4}


@st.composite
def cadences(draw: st.DrawFn) -> Cadence:
    interval = draw(st.sampled_from(list(COUNTS)))
    return Cadence(interval, draw(st.integers(1, COUNTS[interval])), draw(st.none() | INSTANTS))


@given(INSTANTS, cadences(), st.sampled_from(sorted(available_timezones())))
def test_every_instant_is_in_exactly_one_period(instant, cadence, zone):
    period = period_at(instant, zone=zone, cadence=cadence)
    assert period.start <= instant < period.end
    assert period_at(period.start, zone=zone, cadence=cadence) == period
    assert period_at(period.end - timedelta(microseconds=1), zone=zone, cadence=cadence) == period
    following = next_period(period, zone=zone, cadence=cadence)
    assert following.start == period.end < following.end


@given(INSTANTS, cadences(), st.sampled_from(sorted(available_timezones())))
def test_periods_follow_each_other_as_steps_from_one_to_the_next_do(instant, cadence, zone):
    found = list(islice(periods_from(instant, zone=zone, cadence=cadence), 20))
    assert found[0] == period_at(instant, zone=zone, cadence=cadence)
    assert found[1:] == [next_period(one, zone=zone, cadence=cadence) for one in found[:-1]]


def test_a_day_that_a_zone_leaves_out_is_no_period():
    """Samoa had no 30 December 2011."""
    start = datetime(2011, 12, 28, 12, tzinfo=UTC)
    found = list(islice(periods_from(start, zone="Pacific/Apia", cadence=Cadence("day")), 5))
    assert all(one.end == other.start for one, other in pairwise(found))
    assert {one.end - one.start for one in found} == {timedelta(days=1)}


@given(INSTANTS, cadences(), st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"]))
def test_an_anchored_period_starts_at_the_anchor(anchor, cadence, zone):
    anchored = Cadence(cadence.interval, cadence.count, anchor)
    period = period_at(anchor, zone=zone, cadence=anchored)
    # An anchor in the hour that comes twice starts with the first of the two.
    assert anchor - period.start in {timedelta(0), timedelta(hours=1), timedelta(minutes=30)}


# Month-end anchors as billing systems publish them: the last day of a shorter month, then back.
MONTH_ENDS = [
    (datetime(2023, 1, 31, tzinfo=UTC), ["01-31", "02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31"]),
    (datetime(2024, 1, 31, tzinfo=UTC), ["01-31", "02-29", "03-31", "04-30"]),
    (datetime(2024, 1, 30, tzinfo=UTC), ["01-30", "02-29", "03-30", "04-30"]),
    (datetime(2023, 10, 29, tzinfo=UTC), ["10-29", "11-29", "12-29", "01-29", "02-29", "03-29"]),
]


@pytest.mark.parametrize(("anchor", "days"), MONTH_ENDS)
def test_a_month_end_anchor_comes_back(anchor, days):
    cadence = Cadence("month", 1, anchor)
    period, seen = period_at(anchor, zone="UTC", cadence=cadence), []
    for _ in days:
        seen.append(f"{period.start:%m-%d}")
        period = next_period(period, zone="UTC", cadence=cadence)
    assert seen == days


def test_a_leap_day_anniversary_comes_back_every_four_years():
    cadence = Cadence("year", 1, datetime(2024, 2, 29, tzinfo=UTC))
    starts = [period_at(datetime(y, 7, 1, tzinfo=UTC), zone="UTC", cadence=cadence).start for y in range(2024, 2029)]
    assert [f"{start:%Y-%m-%d}" for start in starts] == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]


CALENDAR = [
    ("week", 1, "2026-11-22T10:00:00Z", "2026-11-16", "2026-11-23"),
    ("day", 1, "2026-11-22T10:00:00Z", "2026-11-22", "2026-11-23"),
    ("month", 1, "2026-02-10T00:00:00Z", "2026-02-01", "2026-03-01"),
    ("month", 2, "2026-02-10T00:00:00Z", "2026-01-01", "2026-03-01"),
    ("quarter", 1, "2026-11-22T10:00:00Z", "2026-10-01", "2027-01-01"),
    ("year", 1, "2026-11-22T10:00:00Z", "2026-01-01", "2027-01-01"),
    ("year", 2, "2027-11-22T10:00:00Z", "2026-01-01", "2028-01-01"),
]


@pytest.mark.parametrize(("interval", "count", "instant", "start", "end"), CALENDAR)
def test_calendar_periods(interval, count, instant, start, end):
    period = period_at(datetime.fromisoformat(instant), zone="UTC", cadence=Cadence(interval, count))
    assert (f"{period.start:%Y-%m-%d}", f"{period.end:%Y-%m-%d}") == (start, end)


def test_daylight_saving_makes_a_day_of_23_and_one_of_25_hours():
    daily = Cadence("day")
    spring = period_at(datetime(2026, 3, 29, 12, tzinfo=UTC), zone="Europe/Berlin", cadence=daily)
    autumn = period_at(datetime(2026, 10, 25, 12, tzinfo=UTC), zone="Europe/Berlin", cadence=daily)
    assert (spring.end - spring.start, autumn.end - autumn.start) == (timedelta(hours=23), timedelta(hours=25))


def test_a_day_that_a_zone_skipped_holds_no_instant():
    daily, edge = Cadence("day"), datetime(2011, 12, 30, 10, tzinfo=UTC)
    before = period_at(edge - timedelta(seconds=1), zone="Pacific/Apia", cadence=daily)
    after = period_at(edge, zone="Pacific/Apia", cadence=daily)
    assert before.end == after.start == edge


def test_an_anchor_decades_back_is_found_at_once(monkeypatch):
    from usage_billing.core import periods

    asked = []
    real = periods._start
    monkeypatch.setattr(periods, "_start", lambda *args: asked.append(1) or real(*args))
    cadence = Cadence("day", 1, datetime(1970, 1, 1, 5, tzinfo=UTC))
    period_at(datetime(2099, 12, 31, tzinfo=UTC), zone="America/New_York", cadence=cadence)
    assert len(asked) <= 4
