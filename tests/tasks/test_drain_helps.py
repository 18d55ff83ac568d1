"""A drain of a shard in which little waits takes other shards along, and leaves them when they hold too much."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from tasks.draining.drain import drain_shard
from tasks.draining.tuning import Tuning
from tasks.inbox.protocol import Inbox
from tests.factories import make_recording, make_subscription, make_world
from tests.support.books import check_books, totals
from usage_billing.db.locks import try_lock_drain
from usage_billing.db.session import make_engine, transaction
from usage_billing.metering.recording import SHARDS, shard_of
from usage_billing.settings import Settings

Send = Callable[[int], set[int]]


@pytest.fixture
def names(engine: Engine) -> dict[int, str]:
    """A subscription in each shard."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < SHARDS:
        found.setdefault(shard_of(f"sub{number}"), f"sub{number}")
        number += 1
    with transaction(engine) as session:
        make_world(session)
        for name in found.values():
            make_subscription(session, id=name)
    return found


@pytest.fixture
def send(names: dict[int, str], inbox: Inbox, now: datetime) -> Send:
    """Append so many to each shard; returns the shards for which no drain had been woken."""

    def append(each: int) -> set[int]:
        made = [make_recording(now=now, subscription=name) for name in names.values() for _ in range(each)]
        return set(inbox.append(made))

    return append


def test_a_little_everywhere_is_one_process_affair(engine: Engine, inbox: Inbox, send: Send) -> None:
    assert send(2) == set(range(SHARDS))
    assert send(1) == set()
    assert drain_shard(3, inbox=inbox, engine=engine) == 3 * SHARDS
    assert inbox.waiting() == 0
    # All of them rest: the next append wakes a drain again.
    assert send(1) == set(range(SHARDS))
    assert drain_shard(3, inbox=inbox, engine=engine) == SHARDS
    check_books(engine)


def test_a_shard_that_somebody_is_at_is_left_to_them(
    engine: Engine, inbox: Inbox, send: Send, settings: Settings
) -> None:
    other = make_engine(settings.require_database(), pool_size=1)
    with transaction(other) as theirs:
        assert try_lock_drain(theirs, 5)
        send(1)
        assert drain_shard(0, inbox=inbox, engine=engine) == SHARDS - 1
        assert drain_shard(5, inbox=inbox, engine=engine) == 0
    other.dispose()
    assert drain_shard(5, inbox=inbox, engine=engine) == 1


@pytest.mark.parametrize(("each", "most", "waits"), [(1, 10**6, [0.2]), (2, 10**6, []), (1, 100, [])])
def test_after_a_round_of_little_it_waits_for_more(
    engine: Engine,
    inbox: Inbox,
    send: Send,
    monkeypatch: pytest.MonkeyPatch,
    each: int,
    most: int,
    waits: list[float],
) -> None:
    """Unless there was more than it reads at once, of large recordings."""
    slept: list[float] = []
    tuning = Tuning(batch=3 * SHARDS, little=SHARDS + 1, linger_seconds=0.2, full_bytes=most)
    monkeypatch.setattr("tasks.draining.drain.time.sleep", slept.append)
    send(each)
    taken = drain_shard(3, inbox=inbox, engine=engine, tuning=tuning)
    assert slept == waits
    assert taken == each * SHARDS or most == 100
    # What there was no room for is left to others.
    left = sum(drain_shard(shard, inbox=inbox, engine=engine, tuning=tuning) for shard in range(SHARDS))
    assert taken + left == each * SHARDS


def test_nobody_waits_for_more_while_there_is_more_in_another_shard(
    engine: Engine, inbox: Inbox, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    tuning = Tuning(batch=1000, little=500)
    monkeypatch.setattr("tasks.draining.drain.time.sleep", slept.append)
    send(250)
    assert drain_shard(3, inbox=inbox, engine=engine, tuning=tuning) == 1000
    assert slept == []
    assert len(inbox.filled()) == SHARDS - 4
    left = sum(drain_shard(shard, inbox=inbox, engine=engine, tuning=tuning) for shard in range(SHARDS))
    assert left == 250 * (SHARDS - 4)
    check_books(engine)


@pytest.mark.parametrize(("number", "size"), [(12, 10), (1, 8000)], ids=["many", "large"])
def test_who_holds_other_shards_and_has_no_time_for_them_lets_go(
    engine: Engine,
    inbox: Inbox,
    send: Send,
    names: dict[int, str],
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    size: int,
) -> None:
    """No other drain could read them: they would wait as long as its own shard is busy."""
    tuning = Tuning(batch=40, little=10, full_bytes=8000)
    woken: list[list[int]] = []

    def something_comes(_: float) -> None:
        send(1)
        metadata = f'{{"a":"{"x" * size}"}}'
        inbox.append([make_recording(now=now, subscription=names[3], metadata=metadata) for _ in range(number)])

    def wake_others() -> None:
        woken.append(inbox.overdue(before=datetime.now(UTC) + timedelta(seconds=1)))

    monkeypatch.setattr("tasks.draining.drain.time.sleep", something_comes)
    send(1)
    drain_shard(3, inbox=inbox, engine=engine, tuning=tuning, wake_others=wake_others)
    assert woken == [[shard for shard in range(SHARDS) if shard != 3]]
    assert inbox.filled() == woken[0]
    monkeypatch.setattr("tasks.draining.drain.time.sleep", lambda _: None)
    assert sum(drain_shard(shard, inbox=inbox, engine=engine, tuning=tuning) for shard in woken[0]) == SHARDS - 1
    check_books(engine)


def test_too_much_for_one_is_left_to_others_who_are_woken(engine: Engine, inbox: Inbox, send: Send) -> None:
    tuning = Tuning(batch=20, little=10)
    send(5)
    send(5)
    send(5)
    woken: list[list[int]] = []

    def wake_others() -> None:
        woken.append(inbox.overdue(before=datetime.now(UTC) + timedelta(seconds=1)))

    # Its own are more than little, so it empties them first; then it helps, sees that it is too much, and goes.
    taken = drain_shard(2, inbox=inbox, engine=engine, tuning=tuning, wake_others=wake_others)
    left = {shard for shard in range(SHARDS) if inbox.read(shard, at_most=1)}
    assert left == set(range(SHARDS)) - {0, 2}
    assert woken == [[1]]  # it had begun with that one; for the others a drain was woken when they were sent
    assert taken + sum(drain_shard(shard, inbox=inbox, engine=engine, tuning=tuning) for shard in left) == 15 * SHARDS
    assert inbox.waiting() == 0
    assert [total for _, _, total, _ in totals(engine)] == [15] * SHARDS
    check_books(engine)


def test_deaths_that_no_entry_is_to_blame_for_do_not_make_every_shard_a_suspect(
    engine: Engine, inbox: Inbox, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []

    def die(*_: object, **__: object) -> int:
        raise SystemExit

    monkeypatch.setattr("tasks.draining.drain.time.sleep", lambda _: None)
    monkeypatch.setattr(
        "tasks.draining.drain.record_one_by_one", lambda shard, *_, **__: searched.append(shard) or die()
    )
    send(2)
    with monkeypatch.context() as dying:
        dying.setattr("tasks.draining.drain.record_entries", die)
        for _ in range(3):
            with pytest.raises(SystemExit):
                drain_shard(3, inbox=inbox, engine=engine)
    with pytest.raises(SystemExit):
        drain_shard(3, inbox=inbox, engine=engine)
    assert searched == [3]
    monkeypatch.undo()
    assert drain_shard(3, inbox=inbox, engine=engine) == 2 * SHARDS
    check_books(engine)
