"""What is handed to a worker by name is done once: delivered again, and with PostgreSQL away when it comes."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tasks import base
from tasks.billing import sweep_ticks
from tasks.celery import app
from tests.factories import make_world
from tests.support.books import check_books, counts, rows, scalars
from tests.support.workers import Worker, until
from usage_billing.cli.migration.migrate import upgrade
from usage_billing.db.session import make_engine, transaction
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.settings import Settings

BODY = {"userId": "user123", "subscriptionId": "sub456", "usageType": "assessment", "quantity": 1}
KEYS = "SELECT key FROM billing_runs"
WORK = "SELECT name, outcome, number FROM work_counters"


@dataclass
class Ground:
    """A PostgreSQL that the test stops and starts again, and a worker on it."""

    server: EmbeddedPostgres
    engine: Engine
    worker: Worker
    signs: tuple[str, ...]


@pytest.fixture(params=["redis", "postgres"])
def ground(tmp_path: Path, inbox: object, settings: Settings, request: pytest.FixtureRequest) -> Iterator[Ground]:
    """Both inboxes, each with the broker on Redis."""
    server = EmbeddedPostgres(tmp_path, durable=False)
    server.start()
    upgrade(server.url().replace("postgresql://", "postgresql+psycopg://"))
    engine = make_engine(server.url().replace("postgresql://", "postgresql+psycopg://"))
    with transaction(engine) as session:
        make_world(session)
    worker = Worker(
        "usage,billing,housekeeping,folding,messages", DATABASE_URL=server.url(), USAGE_BILLING_INBOX=request.param
    )
    signs = "no run can be started now", "is offered again"
    yield Ground(server, engine, worker, signs[: 1 if request.param == "redis" else 2])
    worker.kill_everything()
    engine.dispose()
    server.discard()


def log_of(settings: Settings) -> str:
    """What the workers have to tell."""
    return "".join(file.read_text() for file in settings.logs.glob("*.log"))


def hand_over(**options: Any) -> None:
    """As ``celery call usage.record_usage`` does."""
    app.send_task("usage.record_usage", (BODY,), **options)


def test_postgresql_is_away_while_recordings_and_a_tick_are_handed_over(ground: Ground, settings: Settings) -> None:
    hand_over()
    until(lambda: counts(ground.engine).recorded == 1)
    ground.server.stop()
    for _ in range(20):
        hand_over()
    app.send_task("billing.run_daily", kwargs={"scheduled": True})
    app.send_task("billing.run_daily")
    until(lambda: all(words in log_of(settings) for words in ground.signs))  # they met a database that is away
    ground.server.start()
    until(lambda: len(scalars(ground.engine, KEYS)) == 2)
    until(lambda: is_counted(ground.engine, 21))
    check_books(ground.engine)


def is_counted(engine: Engine, number: int) -> bool:
    """Whether so many recordings are in the books; sweeps as beat does."""
    app.send_task("usage.sweep")
    time.sleep(0.5)
    return counts(engine).recorded == number


def test_a_message_that_is_delivered_four_times_counts_once(engine: Engine, inbox: object) -> None:
    with transaction(engine) as session:
        make_world(session)
    worker = Worker("usage")
    try:
        for _ in range(4):
            hand_over(task_id="6b5c7c4e-9c7c-4e39-9f5c-8f5a4f2b0d11")
            hand_over(task_id="no identifier / at all")
        app.send_task("usage.record_usage", ({**BODY, "quantity": "many"},))
        until(lambda: counts(engine).recorded == 2 and counts(engine).duplicates == 6)
        worker.process.terminate()
        worker.process.wait(30)
    finally:
        worker.kill_everything()
    check_books(engine)
    done = {(name, outcome): number for name, outcome, number in rows(engine, WORK)}
    assert {outcome: done["recordings", outcome] for outcome in ("recorded", "duplicate")} == {
        "recorded": 2,
        "duplicate": 6,
    }
    assert (done["usage.record_usage", "success"], done["usage.record_usage", "failure"]) == (8, 1)


@pytest.mark.usefixtures("inbox")
def test_a_tick_without_a_run_gets_one(engine: Engine, settings: Settings) -> None:
    base.engine.cache_clear()
    sweep_ticks()
    found = rows(engine, "SELECT key, requested_by, status FROM billing_runs")
    assert [(key[:9], by, status) for key, by, status in found] == [("schedule:", "beat", "opened")]
    sweep_ticks()
    assert rows(engine, "SELECT key, requested_by, status FROM billing_runs") == found
