"""Work on many things gives way between them where a server has said how, and is left alone where none has."""

from collections.abc import Iterator

import pytest

from usage_billing.core import giving_way
from usage_billing.core.giving_way import in_turns, let_others_go, rested


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


def _clock(monkeypatch: pytest.MonkeyPatch, *milliseconds: float) -> None:
    """What the clock says, each time it is asked."""
    said = iter(milliseconds)
    monkeypatch.setattr(giving_way, "perf_counter_ns", lambda: int(next(said) * 1_000_000))


def test_it_gives_way_after_each_slice_and_keeps_all_things(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _clock(monkeypatch, 0, 0.4, 1.1, 1.2, 1.5, 2.3, 2.4)
    rested()
    assert list(in_turns("abcd")) == list("abcd")
    assert len(given) == 2


def test_short_passes_count_together(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _clock(monkeypatch, 0, 0.2, 0.4, 0.6, 0.7)
    rested()
    for thing in "abc":
        assert list(in_turns(thing)) == [thing]
    assert len(given) == 1


def test_who_waited_begins_a_new_slice(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    _clock(monkeypatch, 0, 0.4, 0.5, 0.9)
    rested()
    assert list(in_turns("a")) == ["a"]
    rested()
    assert list(in_turns("b")) == ["b"]
    assert not given


def test_a_thing_is_worked_on_before_it_gives_way(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving_way, "SLICE_NANOSECONDS", 0)
    seen = [len(given) for _ in in_turns("abc")]
    assert seen == [0, 1, 2]
