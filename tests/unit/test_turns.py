"""Who works when: so many at once, in the order in which they came."""

import threading
import time

import pytest

from api.turns import Turns


@pytest.mark.parametrize("number", [1, 3])
def test_so_many_at_once_and_nobody_overtakes(number: int) -> None:
    turns, began, ended = Turns(number), list[int](), list[int]()
    most = 0

    def work(who: int) -> None:
        nonlocal most
        with turns.turn():
            began.append(who)
            most = max(most, len(began) - len(ended))
            time.sleep(0.01)
            ended.append(who)

    threads = []
    for who in range(12):
        thread = threading.Thread(target=work, args=(who,))
        thread.start()
        threads.append(thread)
        deadline = time.monotonic() + 5
        while len(began) + len(turns._waiting) <= who:
            assert time.monotonic() < deadline
            time.sleep(0.0005)
    for thread in threads:
        thread.join(10)
    assert most == number
    assert sorted(began) == list(range(12))
    if number == 1:
        assert began == list(range(12))


def test_a_turn_that_ends_badly_is_given_back() -> None:
    turns = Turns(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="bad"), turns.turn():
            raise ValueError("bad")


def test_a_turn_can_be_given_back_before_its_block_ends_and_only_once() -> None:
    turns = Turns(1)
    with turns.turn() as first:
        first.give_back()
        with turns.turn():
            first.give_back()
            assert turns._free == 0
    assert turns._free == 1
