"""The inbox on Redis: a stream per shard, appended to under ``appendfsync always``.

Keys: ``usage-billing:inbox:<shard>`` the stream, ``usage-billing:wake:<shard>`` says that a drain was woken,
``usage-billing:hand:<shard>`` what is being tried and how often; ``usage-billing:waiting`` counts the recordings that
wait and ``usage-billing:bytes`` their size.
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
from usage_billing.metering.recording import SHARDS, Recording, encode_recordings

WAITING = "usage-billing:waiting"
BYTES = "usage-billing:bytes"
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
        # A retried append would append twice: harmless to the books, yet the sender decides.
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
        """See Inbox; one script, hence all shards or none."""
        keys = [WAITING, BYTES]
        limits = self._limits.recordings, self._limits.bytes
        values: list[bytes | int] = [*limits, WAKE_SECONDS, IDLE_AFTER_SECONDS, IDLE_WAKE_SECONDS]
        divided = by_shard(recordings)
        for shard, waiting in divided.items():
            keys += [_stream(shard), _wake(shard)]
            values += [encode_recordings(waiting), len(waiting)]
        with _available():
            asleep: Any = self._append(keys=keys, args=values)
        if asleep == _FULL:
            raise backlog_full()
        shards = list(divided)
        return [shards[int(position) - 1] for position in asleep]

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """See Inbox."""
        with _available():
            rows: Any = self._read(keys=[_stream(shard)], args=[at_most, READ_BYTES])
        return [Entry(row_id.decode(), data, int(count)) for row_id, data, count in rows]

    def filled(self) -> list[int]:
        """See Inbox."""
        with _available():
            questions = self._redis.pipeline(transaction=False)
            for shard in range(SHARDS):
                questions.xlen(_stream(shard))
            lengths: Any = questions.execute()
        return [shard for shard, length in enumerate(lengths) if length]

    def take(self, shard: int, first: Entry) -> TakenBatch:
        """See Inbox."""
        with _available():
            tries, suspect = self._take(keys=[_wake(shard), _hand(shard)], args=[first.id, WAKE_SECONDS])
        return TakenBatch(int(tries), suspect.decode())

    def try_alone(self, shard: int, what: str) -> None:
        """See Inbox."""
        with _available():
            self._redis.hset(_hand(shard), "suspect", what)

    def forgive(self, shard: int) -> None:
        """See Inbox."""
        with _available():
            self._redis.delete(_hand(shard))

    def nap(self, shard: int, *, seconds: int) -> None:
        """See Inbox."""
        with _available():
            if seconds:
                self._redis.set(_wake(shard), b"1", ex=seconds)
            else:
                self._redis.delete(_wake(shard))

    def delete(self, shard: int, entries: Sequence[Entry], *, searching: bool = False) -> None:
        """See Inbox."""
        values = [value for entry in entries for value in (entry.id, entry.count, len(entry.data))]
        with _available():
            self._delete(keys=[_stream(shard), _hand(shard), WAITING, BYTES], args=[int(not searching), *values])

    def rest(self, shard: int) -> bool:
        """See Inbox; looking and resting are one step, so nothing can be appended between them unseen."""
        with _available():
            return bool(self._rest(keys=[_stream(shard), _wake(shard)], args=[WAKE_SECONDS]))

    def overdue(self, *, before: datetime) -> list[int]:
        """See Inbox."""
        values: list[str | int] = [_milliseconds(before), WAKE_SECONDS]
        with _available():
            return [shard for shard in range(SHARDS) if self._overdue(keys=[_stream(shard), _wake(shard)], args=values)]

    def waiting(self) -> int:
        """See Inbox."""
        with _available():
            waiting: Any = self._redis.get(WAITING)
        return int(waiting or 0)

    def oldest(self) -> datetime | None:
        """See Inbox."""
        with _available():
            questions = self._redis.pipeline(transaction=False)
            for shard in range(SHARDS):
                questions.xrange(_stream(shard), count=1)
            firsts: Any = questions.execute()
        return min((_time_of(rows[0][0]) for rows in firsts if rows), default=None)

    def find(self, record_id: UUID) -> Recording | None:
        """See Inbox; looks where a recording accepted when its id was made would be, page by page."""
        window = appended_between(record_id)
        if window is None:
            return None
        earliest, latest = map(_milliseconds, window)
        return find_in((data for shard in range(SHARDS) for data in self._between(shard, earliest, latest)), record_id)

    def _between(self, shard: int, earliest: str, latest: str) -> Iterator[bytes]:
        while True:
            with _available():
                rows: Any = self._redis.xrange(_stream(shard), min=earliest, max=latest, count=_PAGE)
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


def _stream(shard: int) -> str:
    return f"usage-billing:inbox:{shard}"


def _wake(shard: int) -> str:
    return f"usage-billing:wake:{shard}"


def _hand(shard: int) -> str:
    return f"usage-billing:hand:{shard}"


def _time_of(entry_id: bytes) -> datetime:
    return datetime.fromtimestamp(int(entry_id.split(b"-")[0]) / 1000, tz=UTC)


def _milliseconds(instant: datetime) -> str:
    return str(int(instant.timestamp() * 1000))
