"""When exchanges of a process begin that gives way to other work."""

from datetime import timedelta

import pytest

from usage_billing.flows.delivering import pace
from usage_billing.flows.delivering.pace import STEP, Pace


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[timedelta]:
    """The monotonic clock, whose first item can be replaced."""
    clock = [timedelta(seconds=100)]
    monkeypatch.setattr(pace, "running_for", lambda: clock[0])
    return clock


def test_it_begins_at_once_while_there_is_nothing_to_give_way_to(clock: list[timedelta]) -> None:
    made = Pace()
    assert [made.next() for _ in range(3)] == clock * 3


def test_giving_way_it_begins_one_in_a_step(clock: list[timedelta]) -> None:
    made = Pace(lambda: True)
    assert [made.next() - clock[0] for _ in range(4)] == [STEP * place for place in range(4)]
    clock[0] += STEP * 2
    assert made.next() == clock[0] + STEP * 2


def test_steps_that_passed_are_not_made_up_for(clock: list[timedelta]) -> None:
    made = Pace(lambda: True)
    made.next()
    clock[0] += timedelta(minutes=1)
    assert [made.next() - clock[0] for _ in range(2)] == [timedelta(0), STEP]
