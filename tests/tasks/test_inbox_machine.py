"""The inbox against a model of lists, and real drains against appends: no recording is lost, no shard is forgotten."""

import queue
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from tasks.draining.drain import drain_shard
from tasks.inbox.factory import open_inbox
from tasks.inbox.protocol import Entry, Inbox
from tasks.inbox.redis_inbox import connect
from tests.factories import make_recording, make_subscription, make_world
from tests.support.books import check_books, counts, totals
from tests.support.databases import empty
from usage_billing.core.clock import utc_now
from usage_billing.db.session import make_engine, transaction
from usage_billing.metering.recording import SHARDS, Recording, decode_recordings, shard_of
from usage_billing.settings import Settings

NAMES = ["sub0", "sub1", "sub2", "sub3"]


@pytest.fixture(params=["redis", "postgres"])
def either(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Callable[[], Inbox]]:
    """Opens an inbox of either kind, one for the whole test."""
    one = open_inbox(replace(settings, inbox=request.param), timeout=5, pool_size=8)
    yield lambda: one
    if hasattr(one, "close"):
        one.close()


class Model(RuleBasedStateMachine):
    """What an inbox holds is what was appended and not deleted, in its order."""

    open: Callable[[], Inbox]
    clean: Callable[[], None]

    @initialize()
    def begin(self) -> None:
        Model.clean()
        self.inbox = Model.open()
        self.held: dict[int, list[list[Recording]]] = {shard: [] for shard in range(SHARDS)}
        self.seen: list[tuple[int, Entry]] = []

    @rule(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6))
    def append(self, names: list[str]) -> None:
        batch = [make_recording(now=utc_now(), subscription=name) for name in names]
        woken = self.inbox.append(batch)
        assert len(set(woken)) == len(woken)
        assert set(woken) <= {shard_of(name) for name in names}
        for shard in {shard_of(name) for name in names}:
            self.held[shard].append([one for one in batch if one.shard == shard])

    @rule(shard=st.sampled_from([shard_of(name) for name in NAMES]), at_most=st.integers(1, 12))
    def read(self, shard: int, at_most: int) -> None:
        entries = self.inbox.read(shard, at_most=at_most)
        found = [decode_recordings(entry.data) for entry in entries]
        assert found == self.held[shard][: len(found)]
        assert [len(batch) for batch in found] == [entry.count for entry in entries]
        enough = sum(entry.count for entry in entries) >= at_most
        assert enough or len(found) == len(self.held[shard])
        assert sum(entry.count for entry in entries[:-1]) < at_most
        self.seen += [(shard, entry) for entry in entries]

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.seen:
            shard, entry = data.draw(st.sampled_from(self.seen))
            self.inbox.delete(shard, [entry, entry])
            gone = decode_recordings(entry.data)
            self.held[shard] = [batch for batch in self.held[shard] if batch != gone]

    @rule(shard=st.integers(0, SHARDS - 1))
    def rest(self, shard: int) -> None:
        assert self.inbox.rest(shard) == (not self.held[shard])

    @invariant()
    def the_count_is_exact(self) -> None:
        waiting = [one for batches in self.held.values() for batch in batches for one in batch]
        assert self.inbox.waiting() == len(waiting)
        assert (self.inbox.oldest() is None) == (not waiting)
        for one in waiting[:1] + waiting[-1:]:
            assert self.inbox.find(one.id) == one


def test_an_inbox_holds_what_was_appended_and_not_deleted(
    engine: Engine, settings: Settings, either: Callable[[], Inbox]
) -> None:
    def clean() -> None:
        empty(engine)
        client = connect(settings.require_redis(), timeout=5)
        client.flushdb()
        client.close()

    Model.open, Model.clean = staticmethod(either), staticmethod(clean)
    bounds = hypothesis_settings(max_examples=10, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(Model, settings=bounds)


@pytest.mark.parametrize("number", [0, 1, 2**80, 2**127, 2**128 - 1, 0xFFFFFFFFFFFF << 80])
def test_an_id_that_we_never_made_is_not_found(
    engine: Engine, inbox: Inbox, either: Callable[[], Inbox], number: int, now: datetime
) -> None:
    one = either()
    one.append([make_recording(now=now)])
    assert one.find(UUID(int=number)) is None


def test_a_recording_is_found_although_others_mention_it(
    engine: Engine, inbox: Inbox, either: Callable[[], Inbox]
) -> None:
    one = either()
    sought = make_recording(now=utc_now(), subscription="sub0")
    others = [
        make_recording(now=utc_now(), subscription=name, metadata=f'{{"previous":"{sought.id}"}}') for name in NAMES
    ]
    one.append(others)
    one.append([sought])
    one.append(others)
    assert one.find(sought.id) == sought


def test_no_append_is_forgotten_while_drains_come_and_go(
    engine: Engine, settings: Settings, inbox: Inbox, either: Callable[[], Inbox], now: datetime
) -> None:
    """Wake-ups alone, without any sweep, are enough: one that is lost would leave something behind."""
    with transaction(engine) as session:
        make_world(session)
        for name in NAMES:
            make_subscription(session, id=name)
    pool_engine = make_engine(settings.require_database(), pool_size=16)
    shared = either()
    wakeups: queue.Queue[int | None] = queue.Queue()

    def work() -> None:
        while (shard := wakeups.get()) is not None:
            drain_shard(shard, inbox=shared, engine=pool_engine)
            wakeups.task_done()

    def send(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(60):
            for shard in shared.append([make_recording(now=now, subscription=chance.choice(NAMES))]):
                wakeups.put(shard)
            if number % 9 == 0:
                threading.Event().wait(chance.uniform(0, 0.05))

    with ThreadPoolExecutor(7) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        for sender in [pool.submit(send, seed) for seed in range(3)]:
            sender.result(60)
        wakeups.join()
        left = shared.waiting()
        for _ in workers:
            wakeups.put(None)
        for worker in workers:
            worker.result(30)
    assert left == 0
    assert counts(engine).recorded == 180
    assert sum(total for _, _, total, _ in totals(engine)) == 180
    check_books(engine)
    pool_engine.dispose()
