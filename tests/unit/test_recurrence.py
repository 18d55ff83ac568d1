"""Occurrences of schedules: on the calendar, without drift, and one expiry each."""

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from usage_billing.core.choices import INTERVALS
from usage_billing.core.periods import Cadence
from usage_billing.prepaid.recurrence import Recurrence

instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def recurrence(start: datetime, interval: str = "month", count: int = 1, **said: object) -> Recurrence:
    return Recurrence(cadence=Cadence(interval, count, anchor=start), zone="Europe/Berlin", starts_at=start, **said)  # type: ignore[arg-type]


def test_the_31st_comes_back_after_short_months() -> None:
    start = datetime(2026, 1, 31, 9, tzinfo=ZoneInfo("Europe/Berlin"))
    found = list(recurrence(start).due(start.astimezone(UTC), start + timedelta(days=130)))
    assert [at.astimezone(ZoneInfo("Europe/Berlin")).strftime("%m-%d %H:%M") for at in found] == [
        "01-31 09:00",
        "02-28 09:00",
        "03-31 09:00",
        "04-30 09:00",
        "05-31 09:00",
    ]


@given(instants, st.sampled_from(INTERVALS), st.integers(1, 5), instants, st.booleans())
def test_occurrences_ascend_from_the_start_to_before_the_end(
    start: datetime, interval: str, count: int, end: datetime, until_next: bool
) -> None:
    one = recurrence(start, interval, count, ends_at=end, until_next=until_next)
    found = list(one.due(one.first(), start + timedelta(days=90)))
    assert found == sorted(set(found))
    assert all(start <= at < end for at in found)
    assert (not found) == (end <= start)
    for at, following in itertools.pairwise(found):
        assert one.after(at) == following
        assert one.expiry(at) == (following if until_next else None)


@given(instants, st.sampled_from(INTERVALS), st.integers(1, 5))
def test_a_validity_ends_on_the_calendar_after_its_occurrence(start: datetime, interval: str, count: int) -> None:
    one = recurrence(start, validity=(interval, count))
    expires = one.expiry(start)
    assert expires is not None
    assert start < expires
    assert expires == recurrence(start, interval, count).after(start)
