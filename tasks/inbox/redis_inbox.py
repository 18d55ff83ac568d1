"""The inbox on Redis: a stream per shard, appended to under ``appendfsync always``.

``usage_billing.inbox.redis_keys`` says what its keys hold.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tasks.inbox import redis_scripts as scripts
from tasks.inbox.protocol import (
    IDLE_AFTER_SECONDS,
    IDLE_WAKE_SECONDS,
    READ_BYTES,
    WAKE_SECONDS,
    Entry,
    Limits,
    TakenBatch,
    appended_between,
    backlog_full,
    by_shard,
    find_in,
    unavailable,
)
from usage_billing.inbox.redis_keys import BYTES, WAITING, hand, stream, wake
from usage_billing.metering.recording import SHARDS, Recording, encode_recordings

_FULL = -1
_PAGE = 100


def connect(url: str, *, timeout: float) -> Redis:
    """A client that gives up after ``timeout`` seconds instead of hanging on a server that hangs."""
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=min(timeout, 3),
        socket_keepalive=True,
        health_check_interval=25,
        # A retried append could append twice. That does no harm to the books, but the sender decides about a retry.
        retry=Retry(NoBackoff(), 0),
    )


class RedisInbox:
    """Inbox on one Redis that fsyncs every write."""

    def __init__(self, client: Redis, *, limits: Limits) -> None:
        self._redis = client
        self._limits = limits
        self._append = client.register_script(scripts.APPEND)
        self._read = client.register_script(scripts.READ)
        self._take = client.register_script(scripts.TAKE)
        self._delete = client.register_script(scripts.DELETE)
        self._rest = client.register_script(scripts.REST)
        self._overdue = client.register_script(scripts.OVERDUE)

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """Keep all of ``recordings`` or none, in one script; returns the shards to wake. Raises Unavailable."""
        keys = [WAITING, BYTES]
        limits = self._limits.recordings, self._limits.bytes
        values: list[bytes | int] = [*limits, WAKE_SECONDS, IDLE_AFTER_SECONDS, IDLE_WAKE_SECONDS]
        divided = by_shard(recordings)
        for shard, waiting in divided.items():
            keys += [stream(shard), wake(shard)]
            values += [encode_recordings(waiting), len(waiting)]
        with _available():
            asleep: Any = self._append(keys=keys, args=values)
        if asleep == _FULL:
            raise backlog_full()
        shards = list(divided)
        return [shards[int(position) - 1] for position in asleep]

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """The oldest entries of ``shard``, up to about ``at_most`` recordings or READ_BYTES. Raises Unavailable."""
        with _available():
            rows: Any = self._read(keys=[stream(shard)], args=[at_most, READ_BYTES])
        return [Entry(row_id.decode(), data, int(count)) for row_id, data, count in rows]

    def filled(self) -> list[int]:
        """The shards in which something waits. Raises Unavailable."""
        with _available():
            questions = self._redis.pipeline(transaction=False)
            for shard in range(SHARDS):
                questions.xlen(stream(shard))
            lengths: Any = questions.execute()
        return [shard for shard, length in enumerate(lengths) if length]

    def take(self, shard: int, first: Entry) -> TakenBatch:
        """Note that a drain begins with ``first``; returns its tries and the suspect. Raises Unavailable."""
        with _available():
            tries, suspect = self._take(keys=[wake(shard), hand(shard)], args=[first.id, WAKE_SECONDS])
        return TakenBatch(int(tries), suspect.decode())

    def try_alone(self, shard: int, what: str) -> None:
        """Note that a drain now tries ``what`` alone; '' clears it. Raises Unavailable."""
        with _available():
            self._redis.hset(hand(shard), "suspect", what)

    def forgive(self, shard: int) -> None:
        """Forget the shard's tries and its suspect. Raises Unavailable."""
        with _available():
            self._redis.delete(hand(shard))

    def nap(self, shard: int, *, seconds: int) -> None:
        """Let no drain be woken for ``shard`` for ``seconds``. Raises Unavailable."""
        with _available():
            if seconds:
                self._redis.set(wake(shard), b"1", ex=seconds)
            else:
                self._redis.delete(wake(shard))

    def delete(self, shard: int, entries: Sequence[Entry], *, searching: bool = False) -> None:
        """Delete committed entries; the tries are forgotten too, except while ``searching``. Raises Unavailable."""
        values = [value for entry in entries for value in (entry.id, entry.count, len(entry.data))]
        with _available():
            self._delete(keys=[stream(shard), hand(shard), WAITING, BYTES], args=[int(not searching), *values])

    def rest(self, shard: int) -> bool:
        """Stop draining ``shard`` if it is empty; returns False when an entry waits after all. Raises Unavailable.

        One script looks and rests, so no append comes between the two.
        """
        with _available():
            return bool(self._rest(keys=[stream(shard), wake(shard)], args=[WAKE_SECONDS]))

    def overdue(self, *, before: datetime) -> list[int]:
        """The shards with an entry from before ``before`` and no drain awake; wakes them. Raises Unavailable."""
        values: list[str | int] = [_milliseconds(before), WAKE_SECONDS]
        with _available():
            return [shard for shard in range(SHARDS) if self._overdue(keys=[stream(shard), wake(shard)], args=values)]

    def waiting(self) -> int:
        """How many recordings wait, in all shards. Raises Unavailable."""
        with _available():
            waiting: Any = self._redis.get(WAITING)
        return int(waiting or 0)

    def oldest(self) -> datetime | None:
        """When the oldest waiting entry was appended (UTC); None when nothing waits. Raises Unavailable."""
        with _available():
            questions = self._redis.pipeline(transaction=False)
            for shard in range(SHARDS):
                questions.xrange(stream(shard), count=1)
            firsts: Any = questions.execute()
        return min((_time_of(rows[0][0]) for rows in firsts if rows), default=None)

    def find(self, record_id: UUID) -> Recording | None:
        """The recording with this id if it waits, looked for page by page among the entries of when its id was made.

        Raises Unavailable.
        """
        window = appended_between(record_id)
        if window is None:
            return None
        earliest, latest = map(_milliseconds, window)
        return find_in((data for shard in range(SHARDS) for data in self._between(shard, earliest, latest)), record_id)

    def _between(self, shard: int, earliest: str, latest: str) -> Iterator[bytes]:
        while True:
            with _available():
                rows: Any = self._redis.xrange(stream(shard), min=earliest, max=latest, count=_PAGE)
            yield from (fields[b"d"] for _, fields in rows)
            if len(rows) < _PAGE:
                return
            earliest = f"({rows[-1][0].decode()}"


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise unavailable() from error


def _time_of(entry_id: bytes) -> datetime:
    return datetime.fromtimestamp(int(entry_id.split(b"-")[0]) / 1000, tz=UTC)


def _milliseconds(instant: datetime) -> str:
    return str(int(instant.timestamp() * 1000))
