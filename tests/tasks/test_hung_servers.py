"""Servers of its own that this file stops, freezes and starts again: every caller that waits is told in time."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tasks.draining.drain import drain_shard
from tasks.inbox.protocol import Inbox, Limits
from tasks.inbox.redis_inbox import RedisInbox, connect
from tests.factories import make_recording, make_world
from tests.support.books import check_books, counts
from usage_billing.cli.migration.migrate import upgrade
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import make_engine, transaction
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.embedded.redis import EmbeddedRedis

LIMITS = Limits(1000, 10**7)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A Valkey that no other test uses."""
    server = EmbeddedRedis(tmp_path, durable=False)
    server.start()
    yield server
    server.stop()
    server.discard()


@contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """While this lasts the process is there and does nothing."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_redis_that_hangs_is_given_up_in_time_on_warm_and_on_cold_connections(
    own_redis: EmbeddedRedis, now: datetime
) -> None:
    warm, cold = (RedisInbox(connect(own_redis.url(), timeout=1), limits=LIMITS) for _ in range(2))
    warm.append([make_recording(now=now)])
    with frozen(own_redis.pid):
        for inbox in (warm, cold, warm, cold):
            started = time.monotonic()
            with pytest.raises(Unavailable) as caught:
                inbox.append([make_recording(now=now)])
            assert caught.value.code == "inbox_unavailable"
            assert time.monotonic() - started < 1.5
    cold.append([make_recording(now=now)])
    # What timed out may have been kept after all: the sender was not told that it was.
    assert 2 <= warm.waiting() <= 6


def test_a_redis_that_is_killed_and_comes_back_is_found_again(own_redis: EmbeddedRedis, now: datetime) -> None:
    inbox = RedisInbox(connect(own_redis.url(), timeout=1), limits=LIMITS)
    inbox.append([make_recording(now=now)])
    own_redis.stop()
    with pytest.raises(Unavailable):
        inbox.append([make_recording(now=now)])
    own_redis.start()
    inbox.append([make_recording(now=now)])


def test_a_full_redis_refuses_and_says_so(own_redis: EmbeddedRedis, now: datetime) -> None:
    client = connect(own_redis.url(), timeout=1)
    inbox = RedisInbox(client, limits=LIMITS)
    one = make_recording(now=now)
    inbox.append([one])
    client.config_set("maxmemory", 1)
    with pytest.raises(Unavailable):
        inbox.append([make_recording(now=now)])
    client.config_set("maxmemory", 0)
    assert inbox.waiting() == 1
    assert len(inbox.read(one.shard, at_most=10)) == 1


def test_a_postgres_that_is_stopped_while_recordings_wait_loses_none(
    tmp_path: Path, inbox: Inbox, now: datetime
) -> None:
    server = EmbeddedPostgres(tmp_path, durable=False)
    server.start()
    try:
        url = server.url().replace("postgresql://", "postgresql+psycopg://")
        upgrade(url)
        engine = make_engine(url)
        with transaction(engine) as session:
            make_world(session)
        sent = [make_recording(now=now, key=str(number)) for number in range(20)]
        shard = sent[0].shard
        inbox.append(sent[:10])
        assert drain_shard(shard, inbox=inbox, engine=engine) == 10
        inbox.append(sent[10:])
        server.stop()
        for _ in range(3):
            with pytest.raises(Unavailable):
                drain_shard(shard, inbox=inbox, engine=engine)
        assert inbox.waiting() == 10
        server.start()
        assert drain_shard(shard, inbox=inbox, engine=engine) == 10
        assert counts(engine).recorded == 20
        check_books(engine)
        engine.dispose()
    finally:
        server.stop()
        server.discard()
