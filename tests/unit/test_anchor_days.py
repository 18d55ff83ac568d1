"""Periods that begin on a day of the month: the last day of shorter months, and back to it after them."""

from calendar import monthrange
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from usage_billing.core.periods import Cadence, next_period, period_at
from usage_billing.reports.verify.calendar import Rhythm, period_of

instants = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
cadences = st.builds(
    Cadence, st.sampled_from(["month", "quarter", "year"]), st.integers(1, 3), st.none(), st.integers(1, 31)
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo", "America/St_Johns"])


@given(instant=instants, cadence=cadences, zone=zones)
def test_each_begins_on_its_day_and_the_next_where_it_ends(instant: datetime, cadence: Cadence, zone: str) -> None:
    period = period_at(instant, zone=zone, cadence=cadence)
    assert instant in period
    local = period.start.astimezone(ZoneInfo(zone))
    assert local.day == min(cadence.day, monthrange(local.year, local.month)[1])
    assert (local.hour, local.minute) == (0, 0)
    assert next_period(period, zone=zone, cadence=cadence).start == period.end


@given(instant=instants, cadence=cadences, zone=zones)
def test_the_proof_of_the_books_reckons_the_same(instant: datetime, cadence: Cadence, zone: str) -> None:
    period = period_at(instant, zone=zone, cadence=cadence)
    rhythm = Rhythm(zone, cadence.interval, cadence.count, None, cadence.day)
    assert period_of(rhythm, instant) == (period.start, period.end)
