"""Joined appends: no refused request has its recordings kept, and no request whose recordings are kept is refused."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from api.gather import Gatherer
from usage_billing.core.errors import Unavailable
from usage_billing.core.identifiers import new_id
from usage_billing.metering.recording import Recording

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def recording(name: str) -> Recording:
    return Recording(
        id=new_id(),
        customer_id="user",
        subscription_id=name,
        usage_type="report",
        quantity=Decimal(1),
        metadata="{}",
        occurred_at=NOW,
        received_at=NOW,
        timed=False,
    )


class Slow:
    """An inbox that takes its time; ``refuse`` raises for what it shall not take."""

    def __init__(self, refuse: Callable[[Sequence[Recording]], None] = lambda _: None) -> None:
        self.refuse = refuse
        self.kept: list[list[str]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        self.begun.set()
        assert self.go_on.wait(10)
        self.refuse(recordings)
        self.kept.append([one.subscription_id for one in recordings])
        return [len(recordings)]


def run(
    gatherer: Gatherer, slow: Slow, names: Sequence[str], *, ends: type[BaseException] = Exception
) -> dict[str, object]:
    """The first of ``names`` alone, the others while it is under way; what each was told."""
    told: dict[str, object] = {}

    def append(name: str) -> None:
        try:
            told[name] = gatherer.append([recording(name)])
        except (Exception, ends) as error:
            told[name] = error

    threads = [threading.Thread(target=append, args=(name,)) for name in names]
    threads[0].start()
    assert slow.begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    deadline = time.monotonic() + 10
    while len(gatherer._waiting) < len(names) - 1:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    slow.go_on.set()
    for thread in threads:
        thread.join(10)
    return told


def test_who_comes_meanwhile_goes_together() -> None:
    slow = Slow()
    told = run(Gatherer(slow.append), slow, ["a", "b", "c", "d"])
    assert slow.kept[0] == ["a"]
    assert sorted(slow.kept[1]) == ["b", "c", "d"]
    # One of them wakes the shard, and no other is told to wake it too.
    assert sorted(told.values(), key=len) in ([[], [], [1], [3]], [[], [], [3], [1]])


def test_an_inbox_that_is_away_is_asked_once_for_all_who_wait() -> None:
    def away(_: Sequence[Recording]) -> None:
        raise Unavailable("away", code="inbox_unavailable")

    slow = Slow(away)
    told = run(Gatherer(slow.append), slow, ["a", "b", "c"])
    assert slow.kept == []
    assert all(isinstance(error, Unavailable) and error.code == "inbox_unavailable" for error in told.values())
    slow.refuse = lambda _: None
    assert Gatherer(slow.append).append([recording("d")]) == [1]


def test_what_one_brings_does_not_harm_the_others() -> None:
    def refuse(recordings: Sequence[Recording]) -> None:
        if any(one.subscription_id == "bad" for one in recordings):
            raise ValueError("bad")

    slow = Slow(refuse)
    told = run(Gatherer(slow.append), slow, ["a", "bad", "c"])
    assert isinstance(told.pop("bad"), ValueError)
    assert sorted(name for kept in slow.kept for name in kept) == ["a", "c"]
    assert all(isinstance(shards, list) for shards in told.values())


@pytest.mark.parametrize("threads", [1, 16])
def test_many_at_once_are_all_kept_once(threads: int) -> None:
    kept: list[str] = []

    def append(recordings: Sequence[Recording]) -> list[int]:
        time.sleep(0.0005)
        kept.extend(one.subscription_id for one in recordings)
        return []

    gatherer = Gatherer(append)

    def work(number: int) -> None:
        for index in range(50):
            gatherer.append([recording(f"{number}-{index}")])
            assert f"{number}-{index}" in kept

    running = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(30)
    assert sorted(kept) == sorted(f"{number}-{index}" for number in range(threads) for index in range(50))


class Ended(BaseException):
    """What a thread is ended by."""


def test_whoever_was_in_the_hands_of_a_thread_that_is_ended_is_not_told_that_his_is_kept() -> None:
    def end(recordings: Sequence[Recording]) -> None:
        if len(recordings) > 1:
            raise Ended

    slow = Slow(end)
    gatherer = Gatherer(slow.append)
    told = run(gatherer, slow, ["a", "b", "c", "d"], ends=Ended)
    assert told.pop("a") == [1]
    ended = [name for name, answer in told.items() if isinstance(answer, Ended)]
    assert len(ended) == 1
    assert all(isinstance(answer, Unavailable) for name, answer in told.items() if name not in ended)
    assert gatherer.append([recording("e")]) == [1]


GREEN = """
import gevent.monkey
gevent.monkey.patch_all(os=False, signal=False, subprocess=False)
import time
import gevent
from api import gather

def append(recordings):
    time.sleep(0.05)
    return []

for who, lingers in ((1, False), (2, False), (0, True)):
    gatherer = gather.Gatherer(append)
    gatherer._had_company = lingers
    gather.LINGER_SECONDS = 0.05
    requests = [gevent.spawn(gatherer.append, [name]) for name in "abcd"]
    gevent.sleep(0.02)
    requests[who].kill()
    gevent.joinall(requests, timeout=5)
    later = gevent.spawn(gatherer.append, ["later"])
    later.join(5)
    assert all(one.dead for one in [*requests, later]), (who, lingers, requests)
    print([one.successful() for one in [*requests, later]])
"""


def test_a_green_thread_that_is_ended_holds_nobody_up() -> None:
    """While it waits for its turn, or for company before it leads."""
    done = subprocess.run([sys.executable, "-c", GREEN], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[True, True, True, True, True]"] * 3  # killed is an end like another to gevent
