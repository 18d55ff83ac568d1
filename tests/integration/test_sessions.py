"""Transactions and the pool they take their connections from: what they see, and what they meet when one is gone."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests.factories import make_customer
from usage_billing.core.errors import Unavailable
from usage_billing.db import bounded
from usage_billing.db import session as sessions
from usage_billing.db.rows import driver_rows
from usage_billing.db.session import at_once, make_engine, read_only, transaction
from usage_billing.settings import Settings

PID = text("SELECT pg_backend_pid()")
KILL = text("SELECT pg_terminate_backend(:pid, 5000)")


@pytest.fixture
def single(engine: Engine, settings: Settings) -> Iterator[Engine]:
    """The same database through one connection."""
    made = make_engine(settings.require_database(), pool_size=1)
    yield made
    made.dispose()


def last_said(engine: Engine, pid: int) -> str:
    """What a connection, other than those of ``engine``, sent last."""
    with read_only(engine) as session:
        return str(session.scalar(text("SELECT query FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}))


def test_a_reader_sees_one_moment_and_writes_nothing(engine: Engine) -> None:
    count = text("SELECT count(*) FROM customers")
    with read_only(engine) as session:
        assert session.scalar(count) == 0
        with transaction(engine) as other:
            make_customer(other)
        assert session.scalar(count) == 0
    with pytest.raises(DBAPIError, match="read-only transaction"), read_only(engine) as session:
        session.execute(text("DELETE FROM customers"))
    with read_only(engine) as session:
        assert session.scalar(count) == 1


def test_a_connection_that_was_read_with_is_written_with_again(single: Engine) -> None:
    with read_only(single) as session:
        pid = session.scalar(PID)
    with transaction(single) as session:
        make_customer(session)
        assert session.scalar(PID) == pid
        assert session.scalar(text("SHOW transaction_isolation")) == "read committed"


def test_what_is_read_again_and_again_is_planned_once(single: Engine) -> None:
    """psycopg prepares what it has sent five times, and forgets it with a ROLLBACK."""
    planned = text("SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%planned%'")
    for _ in range(8):
        with read_only(single) as session:
            found = session.scalar(planned)
    assert found > 0


def test_who_writes_after_a_reader_does_so_if_the_server_lets_him(single: Engine) -> None:
    """An operator may have forbidden writing for a while."""
    with transaction(single) as session:
        session.execute(text("SET default_transaction_read_only = on"))
    for _ in range(2):
        with read_only(single) as session:
            session.scalar(PID)
        with pytest.raises(DBAPIError, match="read-only transaction"), transaction(single) as session:
            make_customer(session)


def test_a_connection_is_asked_whether_it_is_there_unless_it_has_just_answered(
    engine: Engine, single: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with read_only(single) as session:
        pid = session.scalar(PID)
    with single.connect():
        assert last_said(engine, pid) == "COMMIT"
    monkeypatch.setattr(sessions, "JUST_NOW", 0)
    with single.connect():
        assert last_said(engine, pid) != "COMMIT"


def test_a_connection_that_ended_meanwhile_is_replaced_unnoticed(engine: Engine, single: Engine) -> None:
    with read_only(single) as session:
        pid = session.scalar(PID)
    with transaction(engine) as session:
        assert session.scalar(KILL, {"pid": pid})
    with read_only(single) as session:
        assert session.scalar(PID) != pid


@pytest.mark.parametrize("asks_again", [True, False])
def test_a_connection_that_ends_under_a_reader_is_no_loss_to_the_next(
    engine: Engine, single: Engine, asks_again: bool
) -> None:
    def read() -> None:
        with read_only(single) as session:
            pid = session.scalar(PID)
            with transaction(engine) as other:
                assert other.scalar(KILL, {"pid": pid})
            if asks_again:
                session.scalar(PID)

    with pytest.raises(Unavailable, match="the database does not answer"):
        read()
    with read_only(single) as session:
        assert session.scalar(text("SHOW transaction_read_only")) == "on"
    with transaction(single) as session:
        make_customer(session)


def test_rows_of_the_driver_are_those_of_the_session_that_asks(single: Engine) -> None:
    asked = text("SELECT n, n % :divisor AS left FROM unnest(CAST(:numbers AS int[])) AS n")
    with transaction(single) as session:
        session.execute(text("CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT 1 AS one"))
        assert driver_rows(session, text("SELECT one FROM mine"), {}).rows == [(1,)]
        found = driver_rows(session, asked, {"divisor": 3, "numbers": [7, 8]})
    assert (list(found.keys()), list(found)) == (["n", "left"], [(7, 1), (8, 2)])


def test_a_connection_that_ends_under_a_statement_past_sqlalchemy_is_replaced_without_a_word(
    engine: Engine, single: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> None:
        with at_once(single) as connection:
            [(pid,)] = driver_rows(connection, PID, {}).rows
            with transaction(engine) as other:
                assert other.scalar(KILL, {"pid": pid})
            driver_rows(connection, PID, {})

    with pytest.raises(Unavailable, match="the database does not answer"):
        read()
    assert not caplog.records
    with at_once(single) as connection:
        assert driver_rows(connection, PID, {}).rows
    with transaction(single) as session:
        make_customer(session)
    with transaction(engine) as session:
        assert session.scalar(text("SELECT count(*) FROM customers")) == 1


class TimeIsOver(BaseException):
    """What strikes while an answer is waited for."""


@pytest.mark.parametrize("opened", [at_once, read_only, transaction])
def test_what_interrupts_a_statement_past_sqlalchemy_is_raised_as_it_is(
    single: Engine, opened: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def strike(*_: object) -> None:
        raise TimeIsOver

    def read() -> None:
        with opened(single) as reader:
            driver_rows(reader, PID, {})
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            driver_rows(reader, text("SELECT pg_sleep(20)"), {})

    before = signal.signal(signal.SIGALRM, strike)
    try:
        with pytest.raises(TimeIsOver):
            read()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not caplog.records
    with opened(single) as reader:
        assert driver_rows(reader, PID, {}).rows


def test_a_server_says_how_its_processes_look_at_sockets(
    engine: Engine, single: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, poll = list[bool](), bounded._poll

    def look() -> Any:
        looked.append(True)
        return poll()

    monkeypatch.setattr(bounded, "_poll", poll)
    bounded.look_by(look)
    for _ in range(2):
        with read_only(single) as session:
            pid = session.scalar(PID)
    assert looked
    with transaction(engine) as session:
        assert session.scalar(KILL, {"pid": pid})
    with read_only(single) as session:
        assert session.scalar(PID) != pid
