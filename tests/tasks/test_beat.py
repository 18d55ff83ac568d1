"""A real beat: it outlives restarts of Redis, needs no Redis and no folder, shows that it ticks, and misses no tick."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tasks.inbox.redis_inbox import connect
from tests.support.books import scalars
from tests.support.workers import Worker, until
from usage_billing.embedded.redis import EmbeddedRedis
from usage_billing.settings import Settings

ALIVE = "SELECT id FROM process_heartbeats WHERE role = '{}' AND beat_at > clock_timestamp() - interval '10 s'"


class Beat:
    """``celery beat``, in a folder in which it finds nothing."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "celery", "--quiet", "-A", "tasks.celery", "beat"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )

    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def end(self) -> int:
        """End it in order; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def beats(number: int, folder: Path, **environment: str) -> Iterator[list[Beat]]:
    """So many beats, none of which is left at the end."""
    running = [Beat(folder, **environment) for _ in range(number)]
    try:
        yield running
    finally:
        for beat in running:
            beat.process.kill()
            beat.process.wait(10)


def sent(url: str, task: str) -> int:
    """How many messages with this task wait in the broker."""
    client: Any = connect(url, timeout=5)
    messages = [m for name in ("usage", "billing", "housekeeping") for m in _listed(client, name)]
    client.close()
    return sum(f'"task": "{task}"'.encode() in message for message in messages)


def _listed(client: Any, queue: str) -> list[bytes]:
    found: list[bytes] = client.lrange(f"usage-billing:celery:{queue}", 0, -1)
    return found


@pytest.mark.parametrize("durable", [True, False], ids=["redis keeps the lock", "redis forgets the lock"])
def test_two_beats_outlive_restarts_of_redis(engine: Engine, tmp_path: Path, durable: bool) -> None:
    server = EmbeddedRedis(tmp_path / "redis", durable=durable)
    server.start()
    try:
        with beats(2, tmp_path, REDIS_URL=server.url(), CELERY_BROKER_URL="") as running:
            until(lambda: sent(server.url(), "usage.sweep"))
            for _ in range(2):
                server.stop()
                server.start()
                before = sent(server.url(), "usage.sweep")
                until(lambda before=before: sent(server.url(), "usage.sweep") > before)
                assert all(beat.runs() for beat in running)
            until(lambda: len(scalars(engine, ALIVE.format("beat"))) == 1)  # the other waits for the lock
    finally:
        server.stop()
        server.discard()


def test_a_beat_that_waits_for_redis_can_be_ended_and_ticks_once_it_answers(engine: Engine, tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis", durable=False)
    server.start()
    url = server.url()
    server.stop()
    logs = tmp_path / "logs"
    try:
        with beats(2, tmp_path, REDIS_URL=url, CELERY_BROKER_URL="", USAGE_BILLING_LOGS=str(logs)) as (one, other):
            until(lambda: told(logs, "Redis does not answer") == {one.process.pid, other.process.pid})
            assert one.end() == 0
            server.start()
            until(lambda: sent(url, "usage.sweep"))
            assert other.end() == 0
    finally:
        server.stop()
        server.discard()


def told(logs: Path, words: str) -> set[int]:
    """The processes that logged a line with these words."""
    lines = [json.loads(line) for file in logs.glob("*.log") for line in file.read_text().splitlines()]
    return {line["pid"] for line in lines if words in line["message"]}


def test_a_beat_without_redis_needs_no_folder_and_looks_for_a_missed_tick(
    engine: Engine, inbox: object, settings: Settings, tmp_path: Path
) -> None:
    given = {
        "REDIS_URL": "",
        "CELERY_BROKER_URL": settings.redis_url,
        "USAGE_BILLING_INBOX": "postgres",
        "USAGE_BILLING_HOME": str(tmp_path / "nothing" / "here"),
    }
    with beats(1, tmp_path, **given) as (beat,):
        until(lambda: sent(settings.redis_url, "billing.sweep_ticks"))
        until(lambda: len(scalars(engine, ALIVE.format("beat"))) == 1)
        assert beat.end() == 0
    assert scalars(engine, "SELECT id FROM process_heartbeats") == []
    assert not (tmp_path / "nothing").exists()


def test_a_worker_shows_that_it_works_and_that_it_ended(engine: Engine, inbox: object) -> None:
    worker = Worker("usage")
    try:
        until(lambda: len(scalars(engine, ALIVE.format("worker"))) == 1)
        worker.process.send_signal(signal.SIGSTOP)
        until(lambda: not scalars(engine, ALIVE.format("worker")))
        worker.process.send_signal(signal.SIGCONT)
        until(lambda: len(scalars(engine, ALIVE.format("worker"))) == 1)
        worker.process.send_signal(signal.SIGTERM)
        worker.process.wait(30)
    finally:
        worker.kill_everything()
    assert scalars(engine, "SELECT id FROM process_heartbeats") == []


# What a worker answers to `celery inspect conf` and `report`, which Flower shows.
TOLD = """
import json
from celery.worker.control import Panel, conf, report
from types import SimpleNamespace
from tasks.celery import app
state = SimpleNamespace(app=app, hostname="w")
print(json.dumps([conf(state, with_defaults=True), report(state)], default=str))
"""


def test_a_worker_tells_no_password_of_redis_to_who_asks_for_its_configuration(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "REDIS_URL": "redis://:a-password-of-redis@127.0.0.1:1/0",
        "CELERY_BROKER_URL": "redis://:a-password-of-the-broker@127.0.0.1:1/1",
        "DATABASE_URL": "postgresql://billing:a-password-of-postgres@127.0.0.1:1/x",
    }
    done = subprocess.run(
        [sys.executable, "-c", TOLD], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "redbeat_lock_timeout" in done.stdout
    assert "127.0.0.1:1/1" in done.stdout
    assert "a-password" not in done.stdout
