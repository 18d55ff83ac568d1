"""From the inbox to the books: everything arrives once, and what is bad stays alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from redis import Redis
from sqlalchemy import Engine, text

from tasks.draining.drain import drain_shard
from tasks.inbox.protocol import Inbox
from tasks.inbox.redis_inbox import connect
from tests.conftest import Drain
from tests.factories import make_recording, make_subscription
from tests.support.books import Counts, check_books, counts, rows, scalars, totals
from usage_billing.core.errors import Unavailable
from usage_billing.db.session import make_engine, transaction
from usage_billing.metering.recording import SHARDS, Recording, encode_recordings
from usage_billing.settings import Settings

WAITING, BYTES = "usage-billing:waiting", "usage-billing:bytes"


@pytest.fixture
def redis(settings: Settings, inbox: Inbox) -> Iterator[Redis]:
    """The inbox's own Redis, to put into it what no inbox would."""
    client = connect(settings.require_redis(), timeout=5)
    yield client
    client.close()


def put_raw(redis: Redis, data: bytes, *, count: int = 1, shard: int = 0) -> None:
    """An entry as ``append`` would write it, whatever is in it."""
    redis.xadd(f"usage-billing:inbox:{shard}", {"d": data, "n": count})
    redis.incrby(WAITING, count)
    redis.incrby(BYTES, len(data))


@contextmanager
def refusing(engine: Engine, recording: Recording, *, code: str = "23514") -> Iterator[None]:
    """While this lasts the database refuses this one recording, as a constraint would that only it violates."""
    with transaction(engine) as session:
        session.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                f" IF NEW.id = '{recording.id}' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}'; END IF;"
                " RETURN NEW; END $$"
            )
        )
        session.execute(text("CREATE TRIGGER refuse BEFORE INSERT ON usage FOR EACH ROW EXECUTE FUNCTION refuse()"))
    try:
        yield
    finally:
        with transaction(engine) as session:
            session.execute(text("DROP FUNCTION refuse() CASCADE"))


def is_empty(redis: Redis) -> bool:
    """Whether nothing waits, by every account."""
    streams: list[Any] = [redis.xlen(f"usage-billing:inbox:{shard}") for shard in range(SHARDS)]
    return (sum(streams), int(redis.get(WAITING) or 0), int(redis.get(BYTES) or 0)) == (0, 0, 0)  # type: ignore[arg-type]


def test_what_waits_is_recorded_and_gone(
    world: Engine, inbox: Inbox, redis: Redis, drain: Drain, now: datetime
) -> None:
    with transaction(world) as session:
        for number in range(12):
            make_subscription(session, id=f"sub{number}")
    sent = [[make_recording(now=now, subscription=f"sub{n}") for n in range(12)] for _ in range(5)]
    for batch in sent:
        inbox.append(batch)
    assert drain() == 60
    assert drain() == 0
    assert counts(world) == Counts(60, 0, 0)
    assert [total for _, _, total, _ in totals(world)] == [5] * 12
    assert is_empty(redis)
    check_books(world)


def test_a_drain_that_died_before_it_deleted_is_repeated_without_harm(
    world: Engine, inbox: Inbox, redis: Redis, drain: Drain, now: datetime
) -> None:
    sent = [make_recording(now=now, key=str(number)) for number in range(5)]
    inbox.append(sent)
    entries = [(entry.data, entry.count) for entry in inbox.read(sent[0].shard, at_most=10)]
    drain()
    for data, count in entries * 2:
        put_raw(redis, data, count=count, shard=sent[0].shard)
    drain()
    assert counts(world) == Counts(5, 0, 0)
    assert is_empty(redis)


@pytest.mark.parametrize("place", [0, 137, 299])
def test_a_recording_that_the_database_refuses_stays_alone_and_its_neighbours_are_recorded(
    world: Engine, inbox: Inbox, redis: Redis, drain: Drain, now: datetime, place: int
) -> None:
    sent = [make_recording(now=now, key=str(number)) for number in range(300)]
    inbox.append(sent)
    with refusing(world, sent[place]):
        drain()
    assert counts(world) == Counts(299, 0, 1)
    row = rows(world, "SELECT id, reason, detail FROM quarantined_usage")[0]
    assert (row.id, row.reason) == (sent[place].id, "failed")
    assert "not this one" in row.detail
    assert is_empty(redis)
    check_books(world)


def poisons(now: datetime) -> dict[str, Recording]:
    """Recordings that no API accepts, which would each fail in its own way."""
    good = make_recording(now=now)

    def bad(**changes: Any) -> Recording:
        return msgspec.structs.replace(make_recording(now=now), **changes)

    return {
        "NaN": bad(quantity=Decimal("NaN")),
        "sNaN": bad(quantity=Decimal("sNaN")),
        "infinite": bad(quantity=Decimal("Infinity")),
        "negative": bad(quantity=Decimal(-1)),
        "zero": bad(quantity=Decimal(0)),
        "huge": bad(quantity=Decimal("1E+999")),
        "NUL in the customer": bad(customer_id="a\x00b"),
        "NUL in the subscription": bad(subscription_id="a\x00b"),
        "NUL in the key": bad(key="a\x00b"),
        "a long customer": bad(customer_id="c" * 300),
        "a long subscription": bad(subscription_id="s" * 300),
        "a long key": bad(key="k" * 300),
        "no offset": bad(occurred_at=datetime(2026, 11, 1), timed=True),
        "no metadata": bad(metadata=""),
        "broken metadata": bad(metadata="{"),
        "NUL in metadata": bad(metadata='{"a":"\\u0000"}'),
        "the year 9999": bad(occurred_at=datetime(9999, 12, 31, 23, tzinfo=UTC), timed=True),
        "good": good,
    }


POISONS = poisons(datetime(2026, 11, 15, tzinfo=UTC))


@pytest.mark.parametrize("name", [name for name in POISONS if name != "good"])
def test_whatever_is_in_a_recording_its_neighbours_are_recorded_and_it_is_not_lost(
    world: Engine, redis: Redis, drain: Drain, name: str
) -> None:
    bad = POISONS[name]
    neighbours = [make_recording(now=datetime(2026, 11, 15, tzinfo=UTC)) for _ in range(4)]
    batch = [*neighbours[:2], bad, *neighbours[2:]]
    put_raw(redis, encode_recordings(batch), count=5, shard=neighbours[0].shard)
    drain()
    assert set(scalars(world, "SELECT id FROM usage")) >= {one.id for one in neighbours}
    assert counts(world).recorded + counts(world).quarantined == 5
    assert scalars(world, "SELECT id FROM quarantined_usage") == [bad.id]
    assert is_empty(redis)
    check_books(world)


NOT_UTF8 = encode_recordings([POISONS["good"]]).replace(b"user123", b"\xff")


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"not json", b"\xff\xfe", b"[[1]]", NOT_UTF8, b"[{}]", b"[[]]", b"\x00" * 100, b"[" * 20_000],
    ids=["empty", "null", "text", "bytes", "numbers", "no UTF-8", "object", "nothing", "NULs", "deep"],
)
def test_an_entry_that_is_no_recording_is_quarantined_once_and_its_neighbours_are_recorded(
    world: Engine, inbox: Inbox, redis: Redis, drain: Drain, now: datetime, data: bytes
) -> None:
    before, after = make_recording(now=now), make_recording(now=now)
    inbox.append([before])
    put_raw(redis, data, shard=before.shard)
    inbox.append([after])
    drain()
    drain()
    assert counts(world) == Counts(2, 0, 1)
    assert scalars(world, "SELECT reason FROM quarantined_usage") == ["broken_payload"]
    assert is_empty(redis)


def test_an_entry_with_some_good_and_some_unknown_recordings_is_divided(
    world: Engine, inbox: Inbox, drain: Drain, now: datetime
) -> None:
    one = make_recording(now=now, key="k")
    inbox.append(
        [
            one,
            make_recording(now=now, key="k"),
            make_recording(now=now, key="k", quantity=2),
            make_recording(now=now, usage_type="unheard-of"),
        ]
    )
    drain()
    assert counts(world) == Counts(1, 1, 2)


def test_while_the_database_is_away_everything_stays_in_the_inbox(
    world: Engine, inbox: Inbox, drain: Drain, now: datetime
) -> None:
    sent = [make_recording(now=now, key=str(number)) for number in range(10)]
    inbox.append(sent)
    nowhere = make_engine("postgresql+psycopg://u:p@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable):
        drain_shard(sent[0].shard, inbox=inbox, engine=nowhere)
    assert inbox.waiting() == 10
    drain()
    assert counts(world) == Counts(10, 0, 0)
    assert inbox.waiting() == 0


@pytest.mark.parametrize("code", ["57P01", "53300", "40P01", "40001", "55P03", "53100"])
def test_trouble_of_the_database_is_held_against_no_recording(
    world: Engine, inbox: Inbox, redis: Redis, drain: Drain, now: datetime, code: str
) -> None:
    """Shutdown, too many connections, deadlock, serialization, lock timeout, disk full: another time."""
    sent = [make_recording(now=now, key=str(number)) for number in range(10)]
    inbox.append(sent)
    with refusing(world, sent[3], code=code):
        for _ in range(5):
            with pytest.raises(Unavailable):
                drain_shard(sent[0].shard, inbox=inbox, engine=world)
    assert counts(world) == Counts(0, 0, 0)
    assert inbox.waiting() == 10
    drain()
    assert counts(world) == Counts(10, 0, 0)
    assert is_empty(redis)
