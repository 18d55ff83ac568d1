"""A real worker, killed by kill -9 in the middle of a transaction: its child, then all of it; the books are exact."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tasks.celery import app
from tasks.inbox.protocol import Inbox
from tests.factories import make_recording, make_subscription, make_world
from tests.support.books import check_books, counts, scalars, totals
from tests.support.workers import Worker, until
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.metering.recording import SHARDS
from usage_billing.settings import Settings

ROOT = Path(__file__).parents[2]
NAMES = [f"sub{number}" for number in range(8)]


@contextmanager
def slow_inserts(engine: Engine) -> Iterator[None]:
    """Every batch takes long enough to be killed in."""
    with transaction(engine) as session:
        session.execute(
            text(
                "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$"
            )
        )
        session.execute(
            text("CREATE TRIGGER dawdle AFTER INSERT ON usage FOR EACH STATEMENT EXECUTE FUNCTION dawdle()")
        )
    try:
        yield
    finally:
        with transaction(engine) as session:
            session.execute(text("DROP FUNCTION dawdle() CASCADE"))


def test_a_worker_killed_in_mid_drain_leaves_exact_books(engine: Engine, inbox: Inbox, settings: Settings) -> None:
    with transaction(engine) as session:
        make_world(session)
        for name in NAMES:
            make_subscription(session, id=name)
    sent = 0

    def send(batches: int) -> None:
        nonlocal sent
        for _ in range(batches):
            for shard in inbox.append([make_recording(now=utc_now(), subscription=name) for name in NAMES * 5]):
                app.send_task("usage.drain", (shard,))
            sent += 5 * len(NAMES)

    def is_recording() -> bool:
        return bool(
            scalars(engine, "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY usage%'")
        )

    def is_done() -> bool:
        app.send_task("usage.sweep")
        time.sleep(0.3)
        return inbox.waiting() == 0

    with slow_inserts(engine):
        send(10)
        worker = Worker("usage")
        try:
            until(is_recording)
            for pid in worker.children():
                os.kill(pid, signal.SIGKILL)
            send(10)
            until(is_recording)
            worker.kill_everything()
            for shard in range(SHARDS):
                inbox.nap(shard, seconds=0)  # as if the ten seconds of the lost wake-ups had passed
            send(10)
            worker = Worker("usage")
            until(is_recording)
            until(is_done)
        finally:
            worker.kill_everything()
    assert counts(engine).recorded == sent == 1200
    assert [total for _, _, total, _ in totals(engine)] == [150] * len(NAMES)
    check_books(engine)


@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL"])
def test_a_worker_without_its_servers_refuses_to_start(settings: Settings, missing: str) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CELERY_BROKER_URL": settings.redis_url,
        missing: "",
    }
    command = [sys.executable, "-m", "celery", "--quiet", "-A", "tasks.celery", "worker", "-P", "solo", "-Q", "usage"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert f"usage-billing worker: {missing} is not set" in done.stderr
