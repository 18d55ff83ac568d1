"""The inbox on Redis: a stream per shard, appended to under ``appendfsync always``.

Keys: ``usage-billing:inbox:<shard>`` the stream, ``usage-billing:wake:<shard>`` says that a drain was woken,
``usage-billing:waiting`` counts the recordings that wait. Scripts make each step one step.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tasks.inbox import Entry
from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import SHARDS, Recording, decode_recordings, encode_recordings

WAITING = "usage-billing:waiting"
# How long a wake-up counts: if its message is lost, the next append or the sweep wakes again after this.
WAKE_SECONDS = 10
_FIRST_READ = 64
_FULL = -1

_APPEND = """
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return -1 end
local asleep = {}
for i = 2, #KEYS, 2 do
    local data, count = ARGV[i], ARGV[i + 1]
    redis.call('XADD', KEYS[i], '*', 'd', data, 'n', count)
    redis.call('INCRBY', KEYS[1], count)
    if redis.call('SET', KEYS[i + 1], '1', 'NX', 'EX', 10) then asleep[#asleep + 1] = i / 2 end
end
return asleep
"""
_DELETE = """
local gone = 0
for i = 1, #ARGV, 2 do
    if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then gone = gone + tonumber(ARGV[i + 1]) end
end
if gone > 0 then redis.call('DECRBY', KEYS[2], gone) end
return gone
"""
_REST = """
if redis.call('XLEN', KEYS[1]) > 0 then redis.call('EXPIRE', KEYS[2], 10) return 0 end
redis.call('DEL', KEYS[2])
return 1
"""


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

    def __init__(self, client: Redis, *, max_backlog: int) -> None:
        self._redis = client
        self._max_backlog = max_backlog
        self._append = client.register_script(_APPEND)
        self._delete = client.register_script(_DELETE)
        self._rest = client.register_script(_REST)

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """See Inbox; one script, hence all shards or none."""
        by_shard: dict[int, list[Recording]] = {}
        for recording in recordings:
            by_shard.setdefault(recording.shard, []).append(recording)
        keys = [WAITING]
        values: list[bytes | int] = [self._max_backlog]
        for shard, waiting in by_shard.items():
            keys += [_stream(shard), _wake(shard)]
            values += [encode_recordings(waiting), len(waiting)]
        with _available():
            asleep: Any = self._append(keys=keys, args=values)
        if asleep == _FULL:
            raise Unavailable("too many recordings wait to be counted; try again later", code="backlog_full")
        shards = list(by_shard)
        return [shards[int(position) - 1] for position in asleep]

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """See Inbox; in growing steps, for an entry holds from one recording to a whole batch."""
        entries: list[Entry] = []
        found, start, step = 0, "-", _FIRST_READ
        while found < at_most:
            with _available():
                rows: Any = self._redis.xrange(_stream(shard), min=start, count=step)
            entries += [Entry(row_id.decode(), fields[b"d"], int(fields[b"n"])) for row_id, fields in rows]
            if len(rows) < step:
                break
            found = sum(entry.count for entry in entries)
            start = f"({entries[-1].id}"
            step = max(1, (at_most - found) * len(entries) // max(found, 1))
        return entries

    def delete(self, shard: int, entries: Sequence[Entry]) -> None:
        """See Inbox; an entry that is gone already is not subtracted twice."""
        values = [value for entry in entries for value in (entry.id, entry.count)]
        with _available():
            self._delete(keys=[_stream(shard), WAITING], args=values)

    def keep_awake(self, shard: int) -> None:
        """See Inbox."""
        with _available():
            self._redis.set(_wake(shard), b"1", ex=WAKE_SECONDS)

    def rest(self, shard: int) -> bool:
        """See Inbox; looking and resting are one step, so nothing can be appended between them unseen."""
        with _available():
            return bool(self._rest(keys=[_stream(shard), _wake(shard)]))

    def overdue(self, *, before: datetime) -> list[int]:
        """See Inbox."""
        shards = []
        with _available():
            for shard in range(SHARDS):
                first: Any = self._redis.xrange(_stream(shard), count=1)
                late = first and _time_of(first[0][0]) < before
                if late and self._redis.set(_wake(shard), b"1", nx=True, ex=WAKE_SECONDS):
                    shards.append(shard)
        return shards

    def waiting(self) -> int:
        """See Inbox."""
        with _available():
            waiting: Any = self._redis.get(WAITING)
        return int(waiting or 0)

    def oldest(self) -> datetime | None:
        """See Inbox."""
        with _available():
            firsts: Any = [self._redis.xrange(_stream(shard), count=1) for shard in range(SHARDS)]
        return min((_time_of(rows[0][0]) for rows in firsts if rows), default=None)

    def find(self, record_id: UUID) -> Recording | None:
        """See Inbox; looks where a recording accepted when its id was made would be."""
        made = datetime.fromtimestamp((record_id.int >> 80) / 1000, tz=UTC)
        earliest, latest = (_milliseconds(made + timedelta(seconds=seconds)) for seconds in (-5, 60))
        for shard in range(SHARDS):
            with _available():
                rows: Any = self._redis.xrange(_stream(shard), min=earliest, max=latest)
            for _, fields in rows:
                if str(record_id).encode() in fields[b"d"]:
                    return next((r for r in decode_recordings(fields[b"d"]) if r.id == record_id), None)
        return None


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable("the inbox does not answer; try again later", code="inbox_unavailable") from error


def _stream(shard: int) -> str:
    return f"usage-billing:inbox:{shard}"


def _wake(shard: int) -> str:
    return f"usage-billing:wake:{shard}"


def _time_of(entry_id: bytes) -> datetime:
    return datetime.fromtimestamp(int(entry_id.split(b"-")[0]) / 1000, tz=UTC)


def _milliseconds(instant: datetime) -> str:
    return str(int(instant.timestamp() * 1000))
