"""The daily chain by real messages and a real worker: whole, ticked twice, killed in the middle and resumed."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tasks.celery import app
from tests.factories import make_recording, make_world, record
from tests.support.billing import opened
from tests.support.books import check_billed, items, scalars
from tests.support.workers import Worker, until
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction

STATUSES = "SELECT status FROM billing_runs ORDER BY started_at"


@pytest.fixture
def worker(engine: Engine, inbox: object) -> Iterator[Worker]:
    """A worker of the queue ``billing``, on an empty broker."""
    running = Worker("billing")
    yield running
    running.kill_everything()


def after_invoices(session: Session, does: str) -> None:
    """Let PostgreSQL do this after every statement that adds invoices, until the function ``hindrance`` is dropped."""
    session.execute(
        text(f"CREATE FUNCTION hindrance() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NULL; END $$")
    )
    session.execute(
        text("CREATE TRIGGER hindrance AFTER INSERT ON invoices FOR EACH STATEMENT EXECUTE FUNCTION hindrance()")
    )


def test_a_tick_that_comes_twice_and_a_start_by_hand_bill_once(engine: Engine, worker: Worker, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=utc_now(), quantity=53))
    for _ in range(2):
        app.send_task("billing.run_daily", kwargs={"scheduled": True})
    app.send_task("billing.run_daily")
    until(lambda: scalars(engine, STATUSES) == ["completed"] * 2)
    assert items(engine) == [("usage", "draft", Decimal(3), Decimal("30.00"))]
    keys = scalars(engine, "SELECT key FROM billing_runs ORDER BY key")
    assert [key.partition(":")[0] for key in keys] == ["schedule", "task"]
    check_billed(engine)


def test_what_a_run_fails_of_stands_in_it_until_it_is_complete(engine: Engine, worker: Worker, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now, quantity=53))
        after_invoices(session, "RAISE EXCEPTION 'no invoices today'")
    run = opened(engine, now)
    errors = "SELECT error FROM billing_runs"
    try:
        app.send_task("billing.aggregate", (str(run.id),))
        until(lambda: scalars(engine, errors) != [None])
    finally:
        with transaction(engine) as session:
            session.execute(text("DROP FUNCTION hindrance() CASCADE"))
    (error,) = scalars(engine, errors)
    assert "no invoices today" in error
    assert scalars(engine, STATUSES) == ["invoicing"]
    app.send_task("billing.aggregate", (str(run.id),))
    until(lambda: scalars(engine, STATUSES) == ["completed"])
    assert scalars(engine, errors) == [None]
    assert items(engine) == [("usage", "draft", Decimal(3), Decimal("30.00"))]


def test_a_run_whose_worker_was_killed_is_taken_up_by_the_next(engine: Engine, worker: Worker, now: datetime) -> None:
    with transaction(engine) as session:
        make_world(session)
        record(session, make_recording(now=now, quantity=53))
        after_invoices(session, "PERFORM pg_sleep(3)")
    try:
        run = opened(engine, now)
        app.send_task("billing.aggregate", (str(run.id),))
        active = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY invoices%'"
        until(lambda: scalars(engine, active))
        worker.kill_everything()
    finally:
        until(lambda: not scalars(engine, active))
        with transaction(engine) as session:
            session.execute(text("DROP FUNCTION hindrance() CASCADE"))
            session.execute(text("UPDATE billing_runs SET heartbeat_at = heartbeat_at - interval '1 year'"))
    assert items(engine) == []
    assert scalars(engine, STATUSES) == ["invoicing"]
    app.send_task("billing.resume_runs")
    second = Worker("billing")
    try:
        until(lambda: scalars(engine, STATUSES) == ["completed"])
    finally:
        second.kill_everything()
    assert items(engine) == [("usage", "draft", Decimal(3), Decimal("30.00"))]
    check_billed(engine)
