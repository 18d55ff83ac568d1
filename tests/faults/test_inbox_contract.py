"""What every inbox promises, on each of them: on real servers, without chaos; part of the everyday suite."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from tasks.inbox.factory import open_inbox
from tasks.inbox.protocol import READ_BYTES, WAKE_SECONDS, Inbox, Limits
from tasks.inbox.redis_inbox import connect
from tests.factories import make_recording
from tests.support.processes import wait_until
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import SHARDS, Recording, decode_recordings, shard_of
from usage_billing.settings import Settings

Open = Callable[..., Inbox]


@pytest.fixture(params=["redis", "postgres"])
def open_one(request: pytest.FixtureRequest, settings: Settings, engine: Engine) -> Iterator[Open]:
    """Opens inboxes of one kind that share what is in them; ``limits`` may be given."""
    client = connect(settings.require_redis(), timeout=5)
    client.flushdb()
    opened: list[Inbox] = []

    def make(limits: Limits | None = None) -> Inbox:
        limits = limits or Limits(settings.max_backlog, settings.max_backlog_bytes)
        its = replace(settings, inbox=request.param, max_backlog=limits.recordings, max_backlog_bytes=limits.bytes)
        opened.append(open_inbox(its, timeout=2, pool_size=4))
        return opened[-1]

    yield make
    for one in opened:
        if hasattr(one, "close"):
            one.close()
    client.close()


@pytest.fixture
def inbox(open_one: Open) -> Inbox:
    """One inbox, empty."""
    return open_one()


def some(count: int = 1, *, subscription: str = "sub456", metadata: str = "{}") -> list[Recording]:
    return [make_recording(now=utc_now(), subscription=subscription, metadata=metadata) for _ in range(count)]


def in_shard(shard: int) -> str:
    return next(f"sub{number}" for number in range(1000) if shard_of(f"sub{number}") == shard)


SHARD = shard_of("sub456")


def contents(inbox: Inbox, shard: int = SHARD) -> list[Recording]:
    return [recording for entry in inbox.read(shard, at_most=10_000) for recording in decode_recordings(entry.data)]


def test_what_was_appended_waits_until_it_is_deleted(inbox: Inbox) -> None:
    sent = some(3)
    inbox.append(sent)
    assert contents(inbox) == sent
    assert inbox.waiting() == 3
    inbox.delete(SHARD, inbox.read(SHARD, at_most=10))
    assert contents(inbox) == []
    assert inbox.waiting() == 0
    assert inbox.oldest() is None


def test_the_oldest_come_first_in_the_order_of_their_acceptance(inbox: Inbox) -> None:
    sent = some(30)
    for recording in sent:
        inbox.append([recording])
    assert contents(inbox) == sent
    assert len(inbox.read(SHARD, at_most=7)) == 7


def test_one_append_to_several_shards_is_whole(inbox: Inbox) -> None:
    sent = [recording for shard in range(SHARDS) for recording in some(2, subscription=in_shard(shard))]
    assert sorted(inbox.append(sent)) == list(range(SHARDS))
    for shard in range(SHARDS):
        assert contents(inbox, shard) == sent[shard * 2 : shard * 2 + 2]
    assert inbox.waiting() == 2 * SHARDS


def test_a_shard_is_to_be_woken_once(inbox: Inbox) -> None:
    assert inbox.append(some()) == [SHARD]
    assert inbox.append(some()) == []
    other = in_shard((SHARD + 1) % SHARDS)
    assert inbox.append([*some(), *some(subscription=other)]) == [shard_of(other)]


def test_it_rests_when_it_is_empty_and_is_woken_again(inbox: Inbox) -> None:
    inbox.append(some())
    entries = inbox.read(SHARD, at_most=10)
    inbox.take(SHARD, entries[0])
    assert inbox.rest(SHARD) is False
    assert inbox.append(some()) == []
    inbox.delete(SHARD, inbox.read(SHARD, at_most=10))
    assert inbox.rest(SHARD) is True
    assert inbox.append(some()) == [SHARD]


def test_deleting_twice_counts_once(inbox: Inbox) -> None:
    inbox.append(some(5))
    entries = inbox.read(SHARD, at_most=10)
    inbox.append(some(2))
    inbox.delete(SHARD, entries)
    inbox.delete(SHARD, entries)
    assert inbox.waiting() == 2


def test_nothing_is_overdue_while_somebody_is_woken(inbox: Inbox) -> None:
    inbox.append(some())
    later = utc_now() + timedelta(seconds=1)
    assert inbox.overdue(before=later) == []
    inbox.nap(SHARD, seconds=0)
    assert inbox.overdue(before=later - timedelta(hours=1)) == []
    assert inbox.overdue(before=later) == [SHARD]
    assert inbox.overdue(before=later) == []


def test_a_nap_keeps_everybody_away_for_so_long(inbox: Inbox) -> None:
    inbox.append(some())
    inbox.take(SHARD, inbox.read(SHARD, at_most=1)[0])
    inbox.nap(SHARD, seconds=1)
    later = utc_now() + timedelta(hours=1)
    assert inbox.append(some()) == []
    assert inbox.overdue(before=later) == []
    time.sleep(1.1)
    assert inbox.overdue(before=later) == [SHARD]


def test_tries_of_the_same_first_entry_are_counted(inbox: Inbox) -> None:
    inbox.append(some())
    [first] = inbox.read(SHARD, at_most=1)
    assert [inbox.take(SHARD, first).tries for _ in range(3)] == [1, 2, 3]
    inbox.append(some())
    assert inbox.take(SHARD, first).tries == 4
    inbox.forgive(SHARD)
    assert inbox.take(SHARD, first).tries == 1
    assert inbox.take(SHARD, first).tries == 2
    inbox.delete(SHARD, [first])
    [second] = inbox.read(SHARD, at_most=1)
    assert inbox.take(SHARD, second).tries == 1


def test_a_search_goes_on_over_what_it_has_cleared(inbox: Inbox) -> None:
    for _ in range(3):
        inbox.append(some())
    for tries in (1, 2, 3):
        [first] = inbox.read(SHARD, at_most=1)
        inbox.try_alone(SHARD, "one")
        assert inbox.take(SHARD, first).tries == tries
        inbox.delete(SHARD, [first], searching=True)
    inbox.append(some())
    [last] = inbox.read(SHARD, at_most=1)
    assert inbox.take(SHARD, last) == (4, "")
    inbox.forgive(SHARD)
    assert inbox.take(SHARD, last) == (1, "")


def test_a_suspect_is_remembered_until_something_was_recorded(inbox: Inbox) -> None:
    inbox.append(some(2))
    [first] = inbox.read(SHARD, at_most=1)
    assert inbox.take(SHARD, first).suspect == ""
    inbox.try_alone(SHARD, "one")
    inbox.try_alone(SHARD, "two")
    assert inbox.take(SHARD, first).suspect == "two"
    inbox.delete(SHARD, [first])
    assert inbox.take(SHARD, first).suspect == ""


def test_the_present_of_an_entry_is_when_it_was_appended(inbox: Inbox) -> None:
    before = utc_now() - timedelta(seconds=1)
    inbox.append(some())
    oldest = inbox.oldest()
    assert oldest is not None
    assert before < oldest < utc_now() + timedelta(seconds=1)


def test_a_waiting_recording_is_found_by_its_id(inbox: Inbox) -> None:
    sent = some(250)
    for recording in sent:
        inbox.append([recording])
    assert inbox.find(sent[-1].id) == sent[-1]
    assert inbox.find(some()[0].id) is None


def test_a_full_backlog_refuses_by_number(open_one: Open) -> None:
    inbox = open_one(Limits(10, 10**9))
    inbox.append(some(10))
    with pytest.raises(Unavailable) as caught:
        inbox.append(some())
    assert caught.value.code == "backlog_full"
    inbox.delete(SHARD, inbox.read(SHARD, at_most=1))
    # The backlog is measured now and then, less often where measuring takes long.
    wait_until(lambda: _accepts(inbox), 30, why=lambda: "the backlog stays full")


def _accepts(inbox: Inbox) -> bool:
    try:
        inbox.append(some())
    except Unavailable:
        return False
    return True


def test_a_full_backlog_refuses_by_size(open_one: Open) -> None:
    inbox = open_one(Limits(10**6, 20_000))
    for _ in range(3):
        inbox.append(some(metadata='{"text":"' + "x" * 10_000 + '"}') if inbox.waiting() < 2 else some())
        if inbox.waiting() == 2:
            break
    with pytest.raises(Unavailable) as caught:
        inbox.append(some())
    assert caught.value.code == "backlog_full"


def test_what_is_read_at_once_is_bounded_by_its_size(inbox: Inbox) -> None:
    large = '{"text":"' + "x" * 16_000 + '"}'
    for _ in range(8):
        inbox.append(some(120, metadata=large))
    entries = inbox.read(SHARD, at_most=10_000)
    assert 1 < len(entries) < 8
    assert sum(len(entry.data) for entry in entries[:-1]) < READ_BYTES


def test_whoever_appends_while_another_rests_is_never_forgotten(open_one: Open) -> None:
    """Either the append finds no drain awake, or the drain that goes to rest finds the entry."""
    resting, appending = open_one(), open_one()
    for _ in range(150):
        both = threading.Barrier(2)

        resting.append(some())
        resting.take(SHARD, resting.read(SHARD, at_most=1)[0])
        resting.delete(SHARD, resting.read(SHARD, at_most=10))
        with ThreadPoolExecutor(1) as pool:
            rests = pool.submit(_rest_after, both, resting)
            both.wait()
            woken = appending.append(some())
        assert woken == [SHARD] or rests.result() is False
        resting.delete(SHARD, resting.read(SHARD, at_most=10))
        assert resting.rest(SHARD)


def _rest_after(both: threading.Barrier, inbox: Inbox) -> bool:
    both.wait()
    return inbox.rest(SHARD)


def test_many_appends_at_once_are_all_kept(open_one: Open) -> None:
    inbox = open_one()
    sent = [some(subscription=in_shard(number % SHARDS)) for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        woken = [shard for shards in pool.map(inbox.append, sent) for shard in shards]
    assert sorted(woken) == list(range(SHARDS))
    kept = [recording.id for shard in range(SHARDS) for recording in contents(inbox, shard)]
    assert sorted(kept) == sorted(recording.id for [recording] in sent)


def test_days_without_a_worker_do_not_wake_at_every_append(inbox: Inbox, settings: Settings, engine: Engine) -> None:
    """Once something has waited for a minute a wake-up lives longer; the sweep is not kept by it."""
    inbox.append(some())
    make_old(settings, engine)
    inbox.nap(SHARD, seconds=0)
    assert inbox.append(some()) == [SHARD]
    assert seconds_awake(settings, engine) > WAKE_SECONDS
    assert inbox.overdue(before=utc_now()) == [SHARD]
    assert 0 < seconds_awake(settings, engine) <= WAKE_SECONDS


def make_old(settings: Settings, engine: Engine) -> None:
    """Let the one entry of SHARD have waited for two minutes."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE inbox_entries SET appended_at = appended_at - interval '2 minutes'"))
    client = connect(settings.require_redis(), timeout=5)
    stream = f"usage-billing:inbox:{SHARD}"
    for entry_id, fields in client.xrange(stream):
        client.delete(stream)
        client.xadd(stream, fields, id=f"{int(entry_id.split(b'-')[0]) - 120_000}-0")
    client.close()


def seconds_awake(settings: Settings, engine: Engine) -> int:
    client = connect(settings.require_redis(), timeout=5)
    left = client.ttl(f"usage-billing:wake:{SHARD}")
    client.close()
    with engine.begin() as connection:
        found = connection.scalar(text("SELECT extract(epoch FROM max(awake_until) - now()) FROM inbox_shards"))
    return int(max(left, found or 0))


def test_an_inbox_that_is_away_says_so_within_a_second(settings: Settings) -> None:
    nowhere = {
        "redis": replace(settings, redis_url="redis://127.0.0.1:1/0"),
        "postgres": replace(settings, database_url="postgresql://u:p@127.0.0.1:1/x", inbox="postgres"),
    }
    for its in nowhere.values():
        one = open_inbox(its, timeout=0.9)
        started = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            one.append(some())
        assert caught.value.code == "inbox_unavailable"
        assert time.monotonic() - started < 1.2
