"""A line is told once in a cycle, whatever the steps in which a value comes there."""

from decimal import Decimal
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from tests.support.properties import examples
from usage_billing.alerts.states import FiringState
from usage_billing.alerts.thresholds import (
    NEVER,
    Past,
    Run,
    judge,
    least_quantity,
    multiples,
    percent_of,
    percent_reached,
)

LINES = [Decimal(n) for n in (5, 10, 20)]


def run(steps: list[int], *, rearms: bool) -> list[tuple[Decimal, int]]:
    """What is told when a value takes these steps, one judgement each."""
    past: dict[Decimal, Past] = {}
    told: list[tuple[Decimal, int]] = []
    for value in steps:
        found = judge(LINES, reached=lambda line, value=value: value >= line, past=past, rearms=rearms)
        for line, turn in found.fires:
            past[line] = Past(uuid4(), turn, FiringState.OPEN)
            told.append((line, turn))
        back = {line for line, one in past.items() if one.id in found.resolves}
        past |= {line: Past(past[line].id, past[line].round, FiringState.BACK) for line in back}
        assert found.waits == [line for line in LINES if value < line and (rearms or line not in past)]
    return told


@examples(40)
@given(st.lists(st.integers(0, 30), max_size=12))
def test_a_line_is_told_once_and_exactly_when_the_largest_value_reaches_it(steps: list[int]) -> None:
    told = run(steps, rearms=False)
    assert sorted(told) == [(line, 0) for line in LINES if any(value >= line for value in steps)]


@examples(40)
@given(st.lists(st.integers(0, 30), max_size=12))
def test_an_armed_line_is_told_as_often_as_it_is_crossed_from_below(steps: list[int]) -> None:
    told = run(steps, rearms=True)
    for line in LINES:
        above = [value >= line for value in steps]
        crossings = sum(now and not before for before, now in zip([False, *above], above, strict=False))
        assert [turn for told_line, turn in sorted(told) if told_line == line] == list(range(crossings))


@examples(40)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.integers(1, 1000))
def test_multiples_are_told_without_gap_whatever_the_batches(values: list[int], every: int) -> None:
    told, last, runs = Decimal(0), Decimal(0), []
    for value in sorted(values):
        found, following = multiples(Decimal(every), Decimal(value), told=last)
        if found is not None:
            assert found.begins == last + every
            runs.append(found)
            last = found.ends
        assert following == last + every
        told = Decimal(value)
    assert last == told // every * every


def test_multiples_after_lines_of_another_step_are_multiples() -> None:
    """A rule that told 1000 by hundreds tells each 7 from then on: 1001 is the next."""
    seven, told = Decimal(7), Decimal(1000)
    assert multiples(seven, Decimal(1000), told=told) == (None, 1001)
    assert multiples(seven, Decimal(1001), told=told) == (Run(Decimal(1001), Decimal(1001)), 1008)
    assert multiples(seven, Decimal(-3), told=Decimal(0)) == (None, 7)


def test_what_is_resolved_is_resolved_once() -> None:
    one = Past(UUID(int=1), 0, FiringState.OPEN)
    found = judge(LINES[:1], reached=lambda _: False, past={LINES[0]: one}, rearms=False)
    assert (found.resolves, found.waits) == ([one.id], [])
    for state in (FiringState.TOLD, FiringState.BACK, FiringState.OVER):
        again = judge(LINES[:1], reached=lambda _: False, past={LINES[0]: Past(one.id, 0, state)}, rearms=False)
        assert again.resolves == []


def test_what_a_periods_end_resolved_is_not_armed_again() -> None:
    past = {LINES[0]: Past(UUID(int=1), 0, FiringState.OVER)}
    assert judge(LINES[:1], reached=lambda _: True, past=past, rearms=True).fires == []


def test_percentages_of_nothing_and_of_no_bound() -> None:
    some = Decimal(1)
    assert percent_reached(some, Decimal(0), Decimal(500))
    assert not percent_reached(Decimal(0), Decimal(0), Decimal(1))
    assert not percent_reached(some, None, Decimal(1))
    assert percent_of(Decimal(0), Decimal(80)) > 0
    assert percent_of(Decimal(3), Decimal("33.3")) == Decimal("0.999")


@examples(30)
@given(st.integers(0, 10**9), st.integers(1, 10**7))
def test_the_least_quantity_reaches_the_amount_and_a_little_less_does_not(free: int, price: int) -> None:
    def charge(quantity: Decimal) -> Decimal:
        return max(quantity - free, Decimal(0)) * price

    found = least_quantity(charge, Decimal("99.99"))
    assert found is not None
    assert charge(found) >= Decimal("99.99") > charge(found - Decimal("1e-12"))


def test_an_amount_that_no_quantity_reaches() -> None:
    assert least_quantity(lambda _: Decimal(5), Decimal(6)) is None
    assert least_quantity(lambda _: Decimal(5), Decimal(5)) == 0
    assert Decimal(10) ** 27 < NEVER
