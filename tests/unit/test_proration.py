"""Parts always add up to the whole, to the last place."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.core.choices import BY_DAYS, BY_TIME
from usage_billing.core.money import round_to_minor_unit
from usage_billing.core.periods import Cadence, Period, period_at
from usage_billing.core.proration import part_of, share_until

ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu"])
INSTANTS = st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1)).map(lambda when: when.replace(tzinfo=UTC))
CADENCES = st.builds(Cadence, interval=st.sampled_from(["day", "week", "month", "quarter", "year"]))
AMOUNTS = st.decimals(0, 10**14, places=12, allow_nan=False)
NOVEMBER = Period(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))


@given(
    instant=INSTANTS,
    zone=ZONES,
    cadence=CADENCES,
    method=st.sampled_from([BY_TIME, BY_DAYS]),
    whole=AMOUNTS,
    places=st.sampled_from([0, 2, 3, 12]),
    cuts=st.lists(st.integers(0, 10**6), max_size=6),
)
def test_parts_add_up_to_the_whole(instant, zone, cadence, method, whole, places, cuts):
    period = period_at(instant, zone=zone, cadence=cadence)
    span = period.end - period.start
    bounds = sorted({period.start, period.end, *(period.start + span * cut / 10**6 for cut in cuts)})
    shares = [share_until(bound, period, method=method, zone=zone) for bound in bounds]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    parts = [part_of(whole, a, b, places=places) for a, b in pairwise(shares)]
    assert sum(parts, Decimal(0)) == round_to_minor_unit(whole, places)
    assert all(part >= 0 for part in parts)


@given(whole=AMOUNTS, share=st.fractions(0, 1, max_denominator=10**9), places=st.sampled_from([0, 2, 12]))
def test_a_part_is_off_by_less_than_one_unit_of_the_last_place(whole, share, places):
    part = part_of(whole, Fraction(0), share, places=places)
    assert abs(Fraction(part) - Fraction(whole) * share) <= Fraction(1, 2 * 10**places)


def test_half_a_month_by_time():
    middle = datetime(2026, 11, 16, tzinfo=UTC)
    share = share_until(middle, NOVEMBER, method=BY_TIME, zone="UTC")
    assert share == Fraction(1, 2)
    assert part_of(Decimal("99.99"), Fraction(0), share, places=2) == Decimal("50.00")
    assert part_of(Decimal("99.99"), share, Fraction(1), places=2) == Decimal("49.99")


def test_by_days_the_hour_does_not_matter_and_the_day_of_change_is_the_later_parts():
    morning, evening = (datetime(2026, 11, 11, hour, tzinfo=UTC) for hour in (1, 23))
    assert share_until(morning, NOVEMBER, method=BY_DAYS, zone="UTC") == Fraction(10, 30)
    assert share_until(evening, NOVEMBER, method=BY_DAYS, zone="UTC") == Fraction(10, 30)


@pytest.mark.parametrize("method", [BY_TIME, BY_DAYS])
def test_outside_the_period_there_is_nothing_or_everything(method):
    day = timedelta(days=1)
    assert share_until(NOVEMBER.start - day, NOVEMBER, method=method, zone="UTC") == 0
    assert share_until(NOVEMBER.end + day, NOVEMBER, method=method, zone="UTC") == 1


def test_a_day_of_23_hours_counts_as_a_day():
    march = period_at(datetime(2026, 3, 20, tzinfo=UTC), zone="Europe/Berlin")
    after_change = datetime(2026, 3, 29, 22, tzinfo=UTC)  # midnight of the 30th in summer time
    assert share_until(after_change, march, method=BY_DAYS, zone="Europe/Berlin") == Fraction(29, 31)
