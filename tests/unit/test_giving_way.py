"""Work on many things gives way between them where a server has said how, and is left alone where none has."""

from collections.abc import Iterator

import pytest

from usage_billing.core import giving_way
from usage_billing.core.giving_way import in_turns, let_others_go


@pytest.fixture
def given() -> Iterator[list[str]]:
    """The times at which a thread gave way."""
    times: list[str] = []
    let_others_go(lambda: times.append("gave way"))
    yield times
    let_others_go(None)


def test_without_a_server_nothing_stands_between_the_things() -> None:
    things = [1, 2, 3]
    assert in_turns(things) is things


def test_it_gives_way_after_each_slice_and_keeps_all_things(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0, 400_000, 1_100_000, 1_200_000, 1_500_000, 2_300_000, 2_400_000])
    monkeypatch.setattr(giving_way, "perf_counter_ns", lambda: next(now))
    assert list(in_turns("abcd")) == list("abcd")
    assert len(given) == 2


def test_a_thing_is_worked_on_before_it_gives_way(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_way, "SLICE_NANOSECONDS", 0)
    seen = [len(given) for _ in in_turns("abc")]
    assert seen == [0, 1, 2]
