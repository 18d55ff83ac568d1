"""The inbox on PostgreSQL: a table of its own, appended to under ``synchronous_commit = on``.

It is for operators whose Redis cannot promise that what it acknowledged is on disk. It uses psycopg itself and a small
pool of its own: a request that appends waits for the answer, and is refused within about ``timeout`` seconds when
PostgreSQL gives none.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import namedtuple_row
from psycopg_pool import ConnectionPool, PoolTimeout

from tasks.inbox import postgres_statements as sql
from tasks.inbox.backlog import Backlog
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
from usage_billing.db.pooling import OUR_SESSION, arguments, set_local
from usage_billing.metering.recording import SHARDS, Recording, encode_recordings

# A statement gets at least so many seconds, even when its deadline has all but passed.
_LEAST_SECONDS = 0.05
# After one of these errors no time is left to try again.
_TOO_LATE = (PoolTimeout, NoAnswer, psycopg.errors.QueryCanceled)


def connect(url: str, *, timeout: float, pool_size: int, pooled: bool = False) -> ConnectionPool[Any]:
    """A closed pool on ``url`` (``postgresql+psycopg://``); each wait takes at most about ``timeout`` seconds."""
    return ConnectionPool(
        url.replace("postgresql+psycopg://", "postgresql://", 1),
        connection_class=bounded(timeout),
        kwargs={
            "connect_timeout": 2,
            "application_name": "usage-billing inbox",
            **arguments(_session(timeout), pooled=pooled),
        },
        min_size=0,
        max_size=pool_size,
        timeout=timeout,
        reconnect_timeout=timeout,
        configure=_each_statement_by_itself,
        # Opened on first use: the pool has threads, and a process forked after its opening would not have them.
        open=False,
    )


def _session(timeout: float) -> dict[str, str]:
    milliseconds = str(int(timeout * 1000))
    return OUR_SESSION | {"statement_timeout": milliseconds, "lock_timeout": milliseconds}


def _each_statement_by_itself(connection: psycopg.Connection[Any]) -> None:
    connection.autocommit = True


class PostgresInbox:
    """Inbox in the tables ``inbox_entries`` and ``inbox_shards``."""

    def __init__(self, pool: ConnectionPool[Any], *, limits: Limits, pooled: bool = False) -> None:
        self._pool = pool
        # Behind a pooler each statement has a transaction, which sets what otherwise the connection does.
        self._first = set_local(_session(pool.timeout)) if pooled else None
        self._limits = limits
        self._backlog = Backlog()

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """Keep all of ``recordings`` or none, in one statement; returns the shards to wake. Raises Unavailable."""
        deadline = time.monotonic() + self._pool.timeout
        self._refuse_beyond_limits(deadline)
        divided = by_shard(recordings)
        shards, counts = list(divided), [len(waiting) for waiting in divided.values()]
        data = [encode_recordings(waiting) for waiting in divided.values()]
        # Safe to do twice: recordings with the same ids are recorded once.
        self._ask(sql.APPEND, (shards, counts, data), deadline=deadline)
        self._backlog.add(sum(counts), sum(len(part) for part in data))
        # In a statement after the commit: a drain that rests in between either sees the entry, or is seen here as
        # resting.
        with suppress(Unavailable):
            return self._wake(shards, deadline=deadline)
        return shards  # the recordings are kept, so this is no failure: rather wake a drain once too often

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """The oldest entries of ``shard``, up to about ``at_most`` recordings or READ_BYTES. Raises Unavailable."""
        rows = self._ask(sql.READ, {"shard": shard, "recordings": at_most, "bytes": READ_BYTES})
        return [Entry(str(row.id), bytes(row.data), row.count) for row in rows]

    def filled(self) -> list[int]:
        """The shards in which something waits. Raises Unavailable."""
        return [shard for (shard,) in self._ask(sql.FILLED, {"shards": SHARDS})]

    def take(self, shard: int, first: Entry) -> TakenBatch:
        """Note that a drain begins with ``first``; returns its tries and the suspect. Raises Unavailable."""
        [row] = self._ask(sql.TAKE, {"shard": shard, "first": first.id, "seconds": WAKE_SECONDS})
        return TakenBatch(row.tries, row.suspect)

    def try_alone(self, shard: int, what: str) -> None:
        """Note that a drain now tries ``what`` alone; '' clears it. Raises Unavailable."""
        self._ask(sql.TRY_ALONE, {"shard": shard, "what": what})

    def forgive(self, shard: int) -> None:
        """Forget the shard's tries and its suspect. Raises Unavailable."""
        self._ask(sql.FORGIVE, {"shard": shard})

    def nap(self, shard: int, *, seconds: int) -> None:
        """Let no drain be woken for ``shard`` for ``seconds``. Raises Unavailable."""
        self._ask(sql.NAP, {"shard": shard, "seconds": seconds})

    def delete(self, shard: int, entries: Sequence[Entry], *, searching: bool = False) -> None:
        """Delete committed entries; the tries are forgotten too, except while ``searching``. Raises Unavailable."""
        ids = [int(entry.id) for entry in entries]
        self._ask(sql.DELETE, {"shard": shard, "ids": ids, "searching": searching})

    def rest(self, shard: int) -> bool:
        """Stop draining ``shard`` if it is empty; returns False when an entry waits after all. Raises Unavailable.

        It looks a second time: an append may have seen the shard awake still, and so have woken no drain.
        """
        self._ask(sql.REST, {"shard": shard})
        [(something,)] = self._ask(sql.SOMETHING, {"shard": shard})
        if something:
            self._wake([shard])
        return not something

    def overdue(self, *, before: datetime) -> list[int]:
        """The shards with an entry from before ``before`` and no drain awake; wakes them. Raises Unavailable."""
        values = {"shards": SHARDS, "before": before, "seconds": WAKE_SECONDS}
        return [shard for (shard,) in self._ask(sql.OVERDUE, values)]

    def waiting(self) -> int:
        """How many recordings wait, in all shards. Raises Unavailable."""
        [row] = self._ask(sql.BACKLOG)
        return int(row.recordings)

    def oldest(self) -> datetime | None:
        """When the oldest waiting entry was appended (UTC); None when nothing waits. Raises Unavailable."""
        [(oldest,)] = self._ask(sql.OLDEST, {"shards": SHARDS})
        return None if oldest is None else oldest.astimezone(UTC)

    def find(self, record_id: UUID) -> Recording | None:
        """The recording with this id if it waits, looked for among the entries of when its id was made.

        Raises Unavailable.
        """
        window = appended_between(record_id)
        if window is None:
            return None
        values = {"earliest": window[0], "latest": window[1], "sought": str(record_id).encode()}
        return find_in((bytes(data) for (data,) in self._ask(sql.FIND, values)), record_id)

    def close(self) -> None:
        """Close the pool and its connections."""
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
            [row] = self._ask(sql.BACKLOG, deadline=deadline)
            self._backlog.measured(int(row.recordings), int(row.size), seconds=time.monotonic() - started)
        if self._backlog.recordings >= self._limits.recordings or self._backlog.size >= self._limits.bytes:
            raise backlog_full()

    def _ask(self, statement: LiteralString, values: Any = None, *, deadline: float | None = None) -> list[Any]:
        """Run ``statement`` and return its rows. Raises Unavailable.

        With a ``deadline`` it goes on to the next connection when one is broken, as all are after a server's restart.
        """
        with _available():
            while True:
                try:
                    return self._ask_once(statement, values, deadline)
                except psycopg.OperationalError as error:
                    if deadline is None or isinstance(error, _TOO_LATE) or time.monotonic() > deadline:
                        raise

    def _ask_once(self, statement: LiteralString, values: Any, deadline: float | None) -> list[Any]:
        left = self._pool.timeout if deadline is None else max(deadline - time.monotonic(), _LEAST_SECONDS)
        if self._pool.closed:
            self._pool.open()
        with self._pool.connection(timeout=left) as connection, connection.limited(left):
            if self._first is None:
                return _rows(connection, statement, values)
            with connection.transaction():
                connection.execute(self._first)
                return _rows(connection, statement, values)


def _rows(connection: psycopg.Connection[Any], statement: LiteralString, values: Any) -> list[Any]:
    cursor = connection.cursor(row_factory=namedtuple_row).execute(statement, values)
    return cursor.fetchall() if cursor.description else []


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise unavailable() from error
