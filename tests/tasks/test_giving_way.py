"""While drains of a worker are at work, what can wait leaves the machine to them."""

import math
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from tasks import base, outbox, usage, webhooks
from usage_billing.db.session import transaction
from usage_billing.outbox.service import Fact, tell


@pytest.fixture(autouse=True)
def _no_drain_yet() -> Iterator[None]:
    base._drained[0] = -math.inf
    yield
    base._drained[0] = -math.inf


def test_a_drain_says_before_each_round_that_it_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = []

    def rounds(_shard: int, *, stopping: Callable[[], bool], **_: Any) -> int:
        for _round in range(2):
            base._drained[0] = -math.inf
            heard.append((stopping(), base.recordings_come()))
        return 0

    monkeypatch.setattr(usage, "drain_shard", rounds)
    monkeypatch.setattr(base, "inbox", lambda: None)
    monkeypatch.setattr(base, "engine", lambda: None)
    assert not base.recordings_come()
    usage._drain(0)
    assert heard == [(False, True)] * 2


def test_every_process_of_the_worker_knows_it() -> None:
    pid = os.fork()
    if not pid:
        base.note_drain()
        os._exit(0)
    os.waitpid(pid, 0)
    assert base.recordings_come()


def test_it_is_over_ten_seconds_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    base.note_drain()
    now = time.monotonic()
    for seconds, expected in ((9, True), (11, False)):
        monkeypatch.setattr(base.time, "monotonic", lambda at=now + seconds: at)
        assert base.recordings_come() is expected


class _Courier:
    """Sends nothing, for as long as it may; ``tried`` is what it says of it."""

    def __init__(self, clock: list[float], *, tried: int) -> None:
        self.turns: list[timedelta] = []
        self._clock, self._tried = clock, tried

    def turn(self, length: timedelta, **_: object) -> int:
        self.turns.append(length)
        self._clock[0] += length.total_seconds()
        return self._tried


@pytest.mark.parametrize(("comes", "tried", "seconds", "woken"), [(False, 5, 4, 0), (True, 5, 1, 1), (True, 0, 1, 0)])
def test_turns_of_what_sends_are_short_meanwhile_and_follow_each_other(
    monkeypatch: pytest.MonkeyPatch, comes: bool, tried: int, seconds: int, woken: int
) -> None:
    clock, sent = [time.monotonic()], []
    courier = _Courier(clock, tried=tried)
    monkeypatch.setattr(webhooks, "courier", lambda: courier)
    monkeypatch.setattr(webhooks.app, "send_task", lambda name, **options: sent.append((name, options["expires"])))
    if comes:
        base.note_drain()
    monkeypatch.setattr(webhooks.time, "monotonic", lambda: clock[0])
    webhooks.deliver()
    assert courier.turns == [timedelta(seconds=seconds)]
    # One that has to wait gives way to what else is in the queue: each turn that beat wakes would go on so for ever.
    assert sent == [("webhooks.deliver", 1)] * woken


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("comes", [False, True])
def test_the_relay_rests_after_each_slice_meanwhile(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, comes: bool
) -> None:
    with transaction(engine) as session:
        tell(session, [Fact("quota.exceeded", str(uuid4()), {}) for _ in range(250)])
    rests: list[float] = []
    monkeypatch.setattr(outbox.time, "sleep", rests.append)
    monkeypatch.setattr(outbox.app, "send_task", lambda *_, **__: None)
    if comes:
        base.note_drain()
    outbox.relay()
    assert len(rests) == (3 if comes else 0)
    assert all(rest > 0 for rest in rests)


@pytest.mark.usefixtures("settings")
def test_the_relay_rests_no_longer_than_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, slices, rests = [time.monotonic()], [3.0, 30.0], list[float]()

    def works() -> bool:
        clock[0] += slices.pop(0)
        return True

    def rest(seconds: float) -> None:
        rests.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(outbox, "_relay_some", works)
    monkeypatch.setattr(outbox.base, "recordings_come", lambda: True)
    monkeypatch.setattr(outbox.app, "send_task", lambda *_, **__: None)
    monkeypatch.setattr(outbox.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(outbox.time, "sleep", rest)
    outbox.relay()
    assert rests == [pytest.approx(1)]  # of four seconds
