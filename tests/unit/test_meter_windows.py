"""Laws of windows, and cases that others have published; windows of the clock, as two pieces of code see them."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_billing.core.periods import Period
from usage_billing.meters.across import value_across, values_across_segments, windows_in
from usage_billing.meters.definition import Function
from usage_billing.meters.values import State, together, value_of, values_of_segments
from usage_billing.meters.windowing import Every, Windowing, read_windowing
from usage_billing.reports.verify.windows import Cut, windows_over

START = datetime(2026, 6, 1, tzinfo=UTC)
_NUMBERS = st.decimals(-50, 50, places=2)
_FUNCTIONS = [function for function in Function if function not in {Function.LEVEL, Function.UNIQUE_COUNT}]


def state(*numbers: Any, at: int = 0) -> State:
    values = [Decimal(str(number)) for number in numbers]
    points = [(Decimal(at), Decimal(place), value) for place, value in enumerate(values)]
    return State(
        events=len(values),
        total=sum(values, Decimal(0)),
        maximum=max(values, default=None),
        minimum=min(values, default=None),
        latest=max(points, default=None),
    )


def hours(number: int) -> tuple[Period, ...]:
    hour = timedelta(hours=1)
    return tuple(Period(START + place * hour, START + (place + 1) * hour) for place in range(number))


def windowing(across: str, **terms: Any) -> Windowing:
    return read_windowing({"every": "hour", "across": across, **terms}, adds_up=True)


def across(kind: Windowing, values: Sequence[Any], number: int = 0) -> Decimal | None:
    states = {place: state(value) for place, value in enumerate(values)}
    return value_across(Function.SUM, kind, states, hours(max(number, len(values))))


def percentile(percent: Any, values: Sequence[Any], **terms: Any) -> Decimal | None:
    return across(windowing("percentile", percent=percent), values, **terms)


def test_the_nearest_rank_is_what_the_field_bills() -> None:
    # HughesNet, "Computing the 95th percentile for data transfer": of 20 samples the highest is left out.
    inbound = "0.139 0.653 0.201 0.116 0.084 0.032 0.047 0.185 0.198 0.203 0.276 0.370 0.971 0.233 0.218"
    assert percentile(95, f"{inbound} 0.182 0.169 0.126 0.131 0.157".split()) == Decimal("0.653")
    outbound = "1.347 1.435 1.229 0.523 0.438 0.231 0.347 0.689 0.940 1.248 1.385 1.427 3.988 1.265 1.221"
    assert percentile(95, f"{outbound} 1.013 0.992 0.874 0.896 1.002".split()) == Decimal("1.435")
    # SwiftFederation, "95th percentile bandwidth rule": of 8,640 samples of a month the highest 432 are left out.
    assert percentile(95, range(1, 8641)) == 8208
    # Wikipedia, "Percentile", the nearest-rank method.
    ordered = (15, 20, 35, 40, 50)
    assert [percentile(percent, ordered) for percent in (5, 30, 40, 50, 100)] == [15, 20, 20, 35, 50]
    ordered = (3, 6, 7, 8, 8, 10, 13, 15, 16, 20)
    assert [percentile(percent, ordered) for percent in (25, 50, 75, 100)] == [7, 8, 15, 20]


def test_the_greatest_of_each_window_is_added_up() -> None:
    # Flexprice, "MAX, bucketed": the sum of the greatest value of each bucket.
    states = {0: state(25, 30), 1: state(45), 2: state(20, 35, 5)}
    assert value_across(Function.MAX, windowing("sum"), states, hours(24)) == 30 + 45 + 35


@pytest.mark.parametrize("empty", ["zero", "skip"])
@pytest.mark.parametrize("kind", ["max", "sum", "average", "percentile"])
@given(numbers=st.lists(_NUMBERS, min_size=1, max_size=6))
def test_one_window_is_the_function(kind: str, empty: str, numbers: list[Decimal]) -> None:
    given_terms: dict[str, Any] = {"percent": 50} if kind == "percentile" else {}
    found = windowing(kind, empty=empty, **given_terms)
    for function in _FUNCTIONS:
        here = state(*numbers)
        assert value_across(function, found, {0: here}, hours(1)) == value_of(function, here)


@given(values=st.lists(_NUMBERS, min_size=1, max_size=20), more=st.integers(0, 9), percent=st.integers(1, 99))
def test_a_percentile_is_between_the_least_and_the_greatest(values: list[Decimal], more: int, percent: int) -> None:
    number = len(values) + more
    greatest = across(windowing("max"), values, number)
    assert percentile(100, values, number=number) == greatest
    found = percentile(percent, values, number=number)
    everything = sorted([*values, *[Decimal(0)] * more])
    assert found is not None
    assert sum(one <= found for one in everything) * 100 >= percent * number
    assert sum(one < found for one in everything) * 100 < percent * number
    assert greatest is not None
    assert found <= greatest


@given(
    numbers=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 90)), max_size=12),
    terms=st.sampled_from(
        [("max", {}), ("sum", {}), ("average", {}), ("average", {"empty": "skip"}), ("percentile", {"percent": 60})]
    ),
)
def test_what_is_cut_adds_up_to_the_whole(
    numbers: list[tuple[int, int, int]], terms: tuple[str, dict[str, Any]]
) -> None:
    """Three segments cut within the second and the third of four windows."""
    cuts = [START, START + timedelta(minutes=80), START + timedelta(minutes=121), START + timedelta(hours=4)]
    spans = tuple(Period(*both) for both in itertools.pairwise(cuts))
    windows, kind = windows_in(Every.HOUR, spans, zone="UTC"), windowing(terms[0], **terms[1])
    there = {(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3)}
    states: list[dict[int, State]] = [{}, {}, {}]
    for window, segment, number in numbers:
        if (segment, window) in there:
            before = states[segment].get(window, State())
            states[segment][window] = together([before, state(number, at=segment)])
    for function in _FUNCTIONS:
        parts = values_across_segments(function, kind, states, windows, spans=spans)
        whole = [together(segment.get(place, State()) for segment in states) for place in range(len(windows))]
        used = {place: one for place, one in enumerate(whole) if one.events}
        assert sum(parts, Decimal(0)) == (value_across(function, kind, used, windows) or 0)
        assert min(parts) >= 0


def test_a_window_that_is_the_period_is_cut_as_the_period() -> None:
    spans = (Period(START, START + timedelta(minutes=20)), Period(START + timedelta(minutes=20), hours(1)[0].end))
    parts = [state(4, 9), state(12, 6, at=1)]
    lengths = [20, 40]
    for function in _FUNCTIONS:
        for kind in ("max", "sum", "average"):
            if kind == "max" and function not in {Function.MAX, Function.SUM, Function.COUNT}:
                continue  # the greatest window grows, what its function does not
            if kind == "average" and not function.is_divided:
                continue  # an average of windows is divided by time, whatever is in them
            found = values_across_segments(
                function, windowing(kind), [{0: one} for one in parts], hours(1), spans=spans
            )
            assert found == values_of_segments(function, parts, lengths), (function, kind)


def test_what_was_reached_only_for_a_while_is_not_charged() -> None:
    """The peak hour falls from 10 to 5 by a negative value after the cut: the first segment has 5, the second none."""
    spans = (Period(START, START + timedelta(minutes=20)), Period(START + timedelta(minutes=20), hours(1)[0].end))
    states = [{0: state(10)}, {0: state(-5)}]
    assert values_across_segments(Function.SUM, windowing("max"), states, hours(1), spans=spans) == [5, 0]


def test_a_rate_is_by_the_whole_window() -> None:
    berlin = windows_in(
        Every.DAY, (Period(START.replace(month=10, day=24), START.replace(month=10, day=27)),), zone="Europe/Berlin"
    )
    kind = read_windowing({"every": "day", "across": "max", "rate": "hour"}, adds_up=True)
    assert [(one.end - one.start) // timedelta(hours=1) for one in berlin] == [24, 25, 24, 24]
    assert value_across(Function.SUM, kind, {1: state(50)}, berlin) == 2
    assert value_across(Function.SUM, kind, {0: state(1)}, berlin) == Decimal("0.041666666667")


ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "America/Sao_Paulo")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("every", list(Every))
def test_windows_tile_the_time_and_verify_sees_the_same(zone: str, every: Every) -> None:
    for start in (START.replace(month=3, day=20), START.replace(month=9, day=20), START.replace(year=2018, month=10)):
        span = Period(start + timedelta(minutes=7), start + timedelta(days=40, seconds=11))
        windows = windows_in(every, (span,), zone=zone)
        assert windows[0].start <= span.start < windows[0].end
        assert windows[-1].start < span.end <= windows[-1].end
        assert all(one.end == after.start for one, after in itertools.pairwise(windows))
        cut = Cut({"every": str(every)}, zone)
        for one in windows[:: 1 if every != Every.FIVE_MINUTES else 97]:
            middle = one.start + (one.end - one.start) / 3
            assert cut.window_of(middle) == cut.window_of(one.start) == (one.start, one.end)
        assert windows_over(str(every), zone, ((span.start, span.end),)) == len(windows)
