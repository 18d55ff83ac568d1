"""Counts of a minute by the clock: full is full, and the next minute begins with nothing."""

import pytest

from api.errors import TooManyRequests
from api.rates import Rates


class Now:
    """A Unix time that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1_800_000_000.0  # the first second of a minute

    def __call__(self) -> float:
        return self.at


def test_a_full_minute_refuses_until_it_is_over_and_each_caller_has_its_own() -> None:
    now = Now()
    rates = Rates(now)
    rates.count_request("one", per_minute=2)
    rates.count_request("one", per_minute=2)
    now.at += 59.9
    with pytest.raises(TooManyRequests):
        rates.count_request("one", per_minute=2)
    rates.count_request("other", per_minute=2)
    now.at += 0.1
    rates.count_request("one", per_minute=2)


def test_failures_are_counted_by_address_and_forgotten_with_the_minute() -> None:
    now = Now()
    rates = Rates(now)
    for _ in range(rates.failures_per_minute):
        rates.count_failure("here")
    with pytest.raises(TooManyRequests):
        rates.count_failure("here")
    rates.count_failure("there")
    now.at += 60
    rates.count_failure("here")
