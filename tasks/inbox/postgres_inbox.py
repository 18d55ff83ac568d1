"""The inbox on PostgreSQL: a table of its own, appended to under ``synchronous_commit = on``.

For operators whose Redis cannot promise that what it answered is on disk. psycopg itself and a small pool of its own:
whoever appends waits for an answer, and gets a no within a second when there is none to be had.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from tasks.inbox import postgres_statements as sql
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
from usage_billing.core.errors import Unavailable
from usage_billing.db.bounded import NoAnswer, bounded
from usage_billing.metering.recording import SHARDS, Recording, encode_recordings

# Measuring the backlog reads all of it: between two looks passes at least this, and twenty times what one took.
_LOOK_SECONDS = 0.5
_LOOK_SHARE = 20
_LEAST_SECONDS = 0.05
# After these there is no time left to try again.
_TOO_LATE = (PoolTimeout, NoAnswer, psycopg.errors.QueryCanceled)


def connect(url: str, *, timeout: float, pool_size: int) -> ConnectionPool[Any]:
    """A pool on ``url`` (``postgresql+psycopg://``) whose users wait at most about ``timeout`` seconds for anything."""
    return ConnectionPool(
        url.replace("postgresql+psycopg://", "postgresql://", 1),
        connection_class=bounded(timeout),
        kwargs={
            "connect_timeout": 2,
            "application_name": "usage-billing inbox",
            "options": "-c timezone=UTC -c synchronous_commit=on"
            f" -c statement_timeout={int(timeout * 1000)} -c lock_timeout={int(timeout * 1000)}",
        },
        min_size=0,
        max_size=pool_size,
        timeout=timeout,
        reconnect_timeout=timeout,
        configure=_each_statement_by_itself,
        # Opened on first use: it has threads of its own, which a server that forks would lose.
        open=False,
    )


def _each_statement_by_itself(connection: psycopg.Connection[Any]) -> None:
    connection.autocommit = True


class PostgresInbox:
    """Inbox in the tables ``inbox_entries`` and ``inbox_shards``."""

    def __init__(self, pool: ConnectionPool[Any], *, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._backlog = _Backlog()

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """See Inbox; one statement, hence all shards or none."""
        deadline = time.monotonic() + self._pool.timeout
        self._refuse_beyond_limits(deadline)
        divided = by_shard(recordings)
        shards, counts = list(divided), [len(waiting) for waiting in divided.values()]
        data = [encode_recordings(waiting) for waiting in divided.values()]
        # Safe to do twice: the same ids are one recording.
        self._ask(sql.APPEND, (shards, counts, data), deadline=deadline)
        self._backlog.add(sum(counts), sum(len(part) for part in data))
        # In a statement after the commit: whoever rests in between either sees the entry or is seen resting.
        with suppress(Unavailable):
            return self._wake(shards, deadline=deadline)
        return shards  # kept it is, so this is no failure: rather wake once too often

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """See Inbox."""
        rows = self._ask(sql.READ, {"shard": shard, "recordings": at_most, "bytes": READ_BYTES})
        return [Entry(str(row_id), bytes(data), count) for row_id, data, count in rows]

    def filled(self) -> list[int]:
        """See Inbox."""
        return [shard for (shard,) in self._ask(sql.FILLED, {"shards": SHARDS})]

    def take(self, shard: int, first: Entry) -> TakenBatch:
        """See Inbox."""
        [(tries, suspect)] = self._ask(sql.TAKE, {"shard": shard, "first": first.id, "seconds": WAKE_SECONDS})
        return TakenBatch(tries, suspect)

    def try_alone(self, shard: int, what: str) -> None:
        """See Inbox."""
        self._ask(sql.TRY_ALONE, {"shard": shard, "what": what})

    def forgive(self, shard: int) -> None:
        """See Inbox."""
        self._ask(sql.FORGIVE, {"shard": shard})

    def nap(self, shard: int, *, seconds: int) -> None:
        """See Inbox."""
        self._ask(sql.NAP, {"shard": shard, "seconds": seconds})

    def delete(self, shard: int, entries: Sequence[Entry], *, searching: bool = False) -> None:
        """See Inbox."""
        ids = [int(entry.id) for entry in entries]
        self._ask(sql.DELETE, {"shard": shard, "ids": ids, "searching": searching})

    def rest(self, shard: int) -> bool:
        """See Inbox; it looks once more, for what was appended by somebody who saw this shard awake still."""
        self._ask(sql.REST, {"shard": shard})
        [(something,)] = self._ask(sql.SOMETHING, {"shard": shard})
        if something:
            self._wake([shard])
        return not something

    def overdue(self, *, before: datetime) -> list[int]:
        """See Inbox."""
        values = {"shards": SHARDS, "before": before, "seconds": WAKE_SECONDS}
        return [shard for (shard,) in self._ask(sql.OVERDUE, values)]

    def waiting(self) -> int:
        """See Inbox."""
        [(recordings, _)] = self._ask(sql.BACKLOG)
        return int(recordings)

    def oldest(self) -> datetime | None:
        """See Inbox."""
        [(oldest,)] = self._ask(sql.OLDEST, {"shards": SHARDS})
        return None if oldest is None else oldest.astimezone(UTC)

    def find(self, record_id: UUID) -> Recording | None:
        """See Inbox; looks among what was appended when its id was made."""
        window = appended_between(record_id)
        if window is None:
            return None
        values = {"earliest": window[0], "latest": window[1], "sought": str(record_id).encode()}
        return find_in((bytes(data) for (data,) in self._ask(sql.FIND, values)), record_id)

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()

    def _wake(self, shards: list[int], *, deadline: float | None = None) -> list[int]:
        values = {
            "shards": shards,
            "seconds": WAKE_SECONDS,
            "idle_after": IDLE_AFTER_SECONDS,
            "idle_seconds": IDLE_WAKE_SECONDS,
        }
        return [shard for (shard,) in self._ask(sql.WAKE, values, deadline=deadline)]

    def _refuse_beyond_limits(self, deadline: float) -> None:
        if self._backlog.due():
            started = time.monotonic()
            [(recordings, size)] = self._ask(sql.BACKLOG, deadline=deadline)
            self._backlog.measured(int(recordings), int(size), seconds=time.monotonic() - started)
        if self._backlog.recordings >= self._limits.recordings or self._backlog.size >= self._limits.bytes:
            raise backlog_full()

    def _ask(
        self, statement: LiteralString, values: Any = None, *, deadline: float | None = None
    ) -> list[tuple[Any, ...]]:
        """With a ``deadline`` the other connections are tried when one is broken, as all are after a restart."""
        with _available():
            while True:
                try:
                    return self._ask_once(statement, values, deadline)
                except psycopg.OperationalError as error:
                    if deadline is None or isinstance(error, _TOO_LATE) or time.monotonic() > deadline:
                        raise

    def _ask_once(self, statement: LiteralString, values: Any, deadline: float | None) -> list[tuple[Any, ...]]:
        left = self._pool.timeout if deadline is None else max(deadline - time.monotonic(), _LEAST_SECONDS)
        if self._pool.closed:
            self._pool.open()
        with self._pool.connection(timeout=left) as connection, connection.limited(left):
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []


class _Backlog:
    """What waits, as it was last measured and as this process has added since. Safe between threads."""

    def __init__(self) -> None:
        self.recordings = 0
        self.size = 0
        self._next_look = 0.0
        self._lock = threading.Lock()

    def due(self) -> bool:
        """Whether it is time to measure; then for one caller only."""
        with self._lock:
            if time.monotonic() < self._next_look:
                return False
            self._next_look = time.monotonic() + _LOOK_SECONDS
            return True

    def measured(self, recordings: int, size: int, *, seconds: float) -> None:
        """Note a measurement that took so long."""
        with self._lock:
            self.recordings, self.size = recordings, size
            self._next_look = time.monotonic() + max(_LOOK_SECONDS, seconds * _LOOK_SHARE)

    def add(self, recordings: int, size: int) -> None:
        """Note what was appended."""
        with self._lock:
            self.recordings += recordings
            self.size += size


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise unavailable() from error
