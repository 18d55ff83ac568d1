"""Reading by connections of their own, in threads, what the moment of another session shows."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from queue import Full, Queue
from threading import Event, Thread
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, TextClause, text
from sqlalchemy.orm import Session

FETCH = 500
"""So many rows are fetched at once."""

_AHEAD = 2  # pages
_CANCEL_SECONDS = 5
# Between two statements a proof reckons, and that may take long as well.
_UNBOUNDED = (text("SET LOCAL statement_timeout = 0"), text("SET LOCAL idle_in_transaction_session_timeout = 0"))
# Sums of 20,000 summaries fit into this; of more, some are kept on disk.
_MEMORY = text("SET LOCAL work_mem = '64MB'")


def take_time(session: Session | Connection) -> None:
    """Let a transaction take as long as it needs, and more of the server's memory than others."""
    for statement in (*_UNBOUNDED, _MEMORY):
        session.execute(statement)


class Reader:
    """A thread that reads facts by a connection of its own, a few pages ahead of who takes them."""

    def __init__(self, engine: Engine, snapshot: str, statement: TextClause, parts: Sequence[dict[str, int]]) -> None:
        self._engine, self._snapshot, self._statement, self._parts = engine, snapshot, statement, parts
        self._pages: Queue[Any] = Queue(_AHEAD)
        self._ended = Event()
        self._driver: Any = None
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def part(self) -> Iterator[Any]:
        """Every row of the next part; raises what the reading raised."""
        while (page := self._pages.get()) is not None:
            if isinstance(page, BaseException):
                raise page
            yield from page

    def end(self) -> None:
        """Read no more, and give the connection back; a statement that still runs is cancelled."""
        self._ended.set()
        while self._thread.is_alive():
            if self._driver is not None:
                with suppress(psycopg.Error):
                    self._driver.cancel_safe(timeout=_CANCEL_SECONDS)
            self._thread.join(_CANCEL_SECONDS)

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:
            self._put(error)

    def _read(self) -> None:
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with self._engine.execution_options(**options).connect() as connection:
            self._driver = connection.connection.driver_connection
            connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{self._snapshot}'")
            take_time(connection)
            for part in self._parts:
                rows = connection.execute(self._statement, part, execution_options={"yield_per": FETCH})
                for page in chain(rows.partitions(FETCH), (None,)):
                    if not self._put(page):
                        return

    def _put(self, page: Any) -> bool:
        while not self._ended.is_set():
            try:
                self._pages.put(page, timeout=1)
            except Full:
                continue
            return True
        return False
