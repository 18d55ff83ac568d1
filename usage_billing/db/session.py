"""Engine and transactions: the only place that commits.

A door opens ``transaction()`` around one flow, so the flow's work is stored as a whole or not at all.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import psycopg
from psycopg.types.array import ListBinaryDumper
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from usage_billing.core.errors import Unavailable
from usage_billing.db.bounded import BoundedConnection, bounded
from usage_billing.db.pooling import OUR_SESSION, arguments, set_local

Answer = TypeVar("Answer")
Reader = Session | Connection
"""What answers a statement that is written in SQL."""

CONNECT_TIMEOUT = 2
POOL_TIMEOUT = 2
# A statement that runs longer than this is taken to hang; billing and imports work in slices far below it.
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 10_000
SESSION = OUR_SESSION | {
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": "60000",
}
# In seconds: how long an answer may take, because a server that hangs keeps no timeout of its own; how long the answer
# to a ping may take; and for how long after an answer a connection is not pinged. An idle connection is pinged before
# it is used. In a busy process, pinging one that has just answered would be a round trip for each transaction.
ANSWER_TIMEOUT = 35
PING_TIMEOUT = 1
JUST_NOW = 1
# psycopg sends these with BEGIN, not in a round trip after it.
_ONE_MOMENT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_ANSWERS, _AGREED = "answers", "agreed"


def make_engine(url: str, *, pooled: bool = False, pool_size: int = 5, answer_timeout: int = ANSWER_TIMEOUT) -> Engine:
    """An engine for ``postgresql+psycopg://`` URLs; no connection is opened yet.

    ``pooled`` says that a pooler answers there, which may give each transaction another session: nothing is prepared,
    and each transaction sets what otherwise the connection does. ``answer_timeout`` is after how many seconds a server
    that does not answer is taken to hang.
    """
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_pre_ping=True,
        # The pool gives out the connection that was used last: it has statements prepared, and needs no ping.
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": "usage-billing",
            **arguments(SESSION, pooled=pooled),
        },
    )
    if pooled:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(set_local(SESSION)))
    kind = bounded(answer_timeout)
    event.listen(engine, "do_connect", lambda _dialect, _record, args, options: kind.connect(*args, **options))
    event.listen(engine, "connect", _send_lists_binary)
    event.listen(engine, "checkin", _as_the_server_says)
    _ping_quickly(engine)
    return engine


def _send_lists_binary(connection: psycopg.Connection, _: object) -> None:
    """Send lists as binary arrays. As text, psycopg's default, a time in a list costs 3 us instead of 0.2."""
    connection.adapters.register_dumper(list, ListBinaryDumper)


def _as_the_server_says(connection: psycopg.Connection | None, _: object) -> None:
    """Let the server decide whether the next transaction may write.

    SQLAlchemy undoes ``read_only`` by asking for READ WRITE. That would override a server that is set to read only.
    """
    if connection is None or connection.closed:
        return
    if connection.read_only is not None or connection.isolation_level is not None:
        connection.read_only = connection.isolation_level = None


def _ping_quickly(engine: Engine) -> None:
    ping = engine.dialect.do_ping

    def ping_in_time(connection: BoundedConnection) -> bool:
        if connection.answered_within(JUST_NOW) and connection.is_silent():
            return True
        with connection.limited(PING_TIMEOUT):
            return ping(connection)  # type: ignore[arg-type]

    engine.dialect.do_ping = ping_in_time  # type: ignore[assignment,method-assign]


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose work is committed as a whole when the block ends, or not at all.

    Raises Unavailable when the database cannot be reached or drops the connection.
    """
    with _translated(), Session(engine, expire_on_commit=False) as session:
        yield session
        session.commit()


@contextmanager
def read_only(engine: Engine) -> Iterator[Session]:
    """A session that sees one moment of the database and cannot write.

    It is committed all the same: at a ROLLBACK psycopg forgets its prepared statements, and each read would be planned
    anew. Raises Unavailable.
    """
    with transaction(engine) as session:
        session.connection(execution_options=_ONE_MOMENT)
        session.info[_ANSWERS] = {}
        yield session


@contextmanager
def at_once(engine: Engine) -> Iterator[Connection]:
    """A connection for one statement that reads: it is its own transaction, so that no BEGIN and COMMIT are sent.

    Each of them is a round trip. A pooler would not set such a statement's session, so ``engine`` has none before it.
    Raises Unavailable.
    """
    with _translated(), engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def do_not_wait_for_disk(session: Session) -> None:
    """Let this transaction's commit return before it is on disk, for work that may be done twice.

    If the server dies in the next second, the transaction may be lost, but no other that waited for the disk after it.
    """
    session.connection().exec_driver_sql("SET LOCAL synchronous_commit = off")


def see_with(session: Session, other: Session) -> None:
    """Let ``other``, which has asked nothing yet, see the moment that the read-only ``session`` sees. It may write."""
    snapshot = session.connection().exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
    connection = other.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{snapshot}'")


def once(session: Session, key: Hashable, ask: Callable[[], Answer]) -> Answer:
    """What ``ask`` answers. A session that sees one moment is asked once for ``key``: the answer stays the same there.

    The answer is shared by all who ask: none may change it.
    """
    answers = session.info.get(_ANSWERS)
    if answers is None:
        return ask()
    if key not in answers:
        answers[key] = ask()
    return cast("Answer", answers[key])


def once_while_agreed(session: Session, key: Hashable, ask: Callable[[], Answer]) -> Answer:
    """What ``ask`` answers about what is agreed with customers: all that a page shows of them but running totals.

    As ``once``; a session that shares answers is answered with what another one was.
    """
    answers = session.info.get(_AGREED)
    if answers is None:
        return once(session, key, ask)
    if key not in answers:
        answers[key] = ask()
    return cast("Answer", answers[key])


def share_agreed(session: Session, answers: dict[Hashable, Any]) -> None:
    """Answer ``once_while_agreed`` from ``answers``, and keep there what is asked.

    The caller gives the same answers only to sessions that read about the same customer and see the same rows of what
    is agreed with it, usage aside. What is answered may be read by several threads, and is never changed.
    """
    session.info[_AGREED] = answers


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Session]:
    """A session whose work is always rolled back, so that a dry run can run the real code. Raises Unavailable."""
    with _translated(), Session(engine, expire_on_commit=False) as session:
        try:
            yield session
        finally:
            session.rollback()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError) as error:
        raise Unavailable("the database does not answer; try again later", code="database_unavailable") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(
                "the connection to the database was lost; try again later", code="database_unavailable"
            ) from error
        raise
