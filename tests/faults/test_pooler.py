"""Behind the real PgBouncer in transaction mode: the same chaos, and what a pooler could take away in silence."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.faults.bystanders import Bystanders, bill
from tests.faults.checker import judge
from tests.faults.conftest import Figures
from tests.faults.load import Load
from tests.faults.monkey import Monkey
from tests.faults.system import System, environment_without_ours
from tests.faults.test_monkey import SECONDS, verify
from tests.support.pooler import PgBouncer
from usage_billing.settings import Settings

pytestmark = pytest.mark.pooler

CI_SECONDS = 25.0
FEWEST = 1500


class Pooled(System):
    """Whose services reach PostgreSQL through a pooler; migrations go past it."""

    pooler: PgBouncer

    def start_servers(self) -> None:
        """The servers, and the pooler before PostgreSQL."""
        super().start_servers()
        self.pooler = PgBouncer(self.postgres.url())
        self.parts["pgbouncer"] = self.pooler
        self.start("pgbouncer")

    def settings(self) -> Settings:
        """With the pooler's address for the database's."""
        made = super().settings()
        direct = self.postgres.url()
        return replace(made, database_url=self.pooler.url(direct), database_direct_url=direct, pooler="transaction")

    def service_environment(self) -> dict[str, str]:
        """What a service is told beside."""
        return super().service_environment() | {
            "USAGE_BILLING_POOLER": "transaction",
            "DATABASE_DIRECT_URL": self.postgres.url(),
        }

    def stop(self) -> None:
        """End everything, and the pooler."""
        super().stop()
        self.pooler.discard()


@pytest.mark.parametrize("inbox", ["redis", "postgres"])
def test_behind_a_pooler_nothing_is_lost_and_nothing_counts_twice(
    inbox: str, home: Path, seed: int, figures: Figures
) -> None:
    seconds = SECONDS or CI_SECONDS
    environment = {"USAGE_BILLING_INBOX": inbox, "USAGE_BILLING_MAX_BACKLOG": "4000"}
    with Pooled(home, environment=environment) as system:
        system.start()
        system.wait_ready()
        monkey = Monkey(system, seed=seed)
        with Load(home, system.url, seed=seed) as load, Bystanders(system, load.told) as bystanders:
            monkey.rage(seconds, every=1.3, kills=round(seconds / 4))
            system.wait_until(lambda: load.acknowledged() >= FEWEST, 120, "too little was recorded to tell")
        system.wait_ready()
        system.wait_drained(120)
        bystanders.look()
        bill(system)
        told = load.told
        figures(f"{inbox}: {monkey.kills} kills; {len(told.acknowledged)} acknowledged, answers {dict(told.answers)}")
        assert judge(told, system.sql, bystanders.seen) == []
        assert verify(system) == "", system.tail()
        assert "prepared statement" not in (home / "system.log").read_text(errors="replace")


def test_services_do_not_start_where_a_pooler_takes_their_promise_away(home: Path) -> None:
    with Pooled(home) as system:
        pooled, direct = system.pooler.url(system.postgres.url()), system.postgres.url()
        told = started(home, system, DATABASE_URL=pooled)
        assert "set USAGE_BILLING_POOLER=transaction" in told
        lossy = "ALTER ROLE usage_billing SET synchronous_commit = off"
        with psycopg.connect(direct, autocommit=True) as connection:
            connection.execute(lossy)
        told = started(home, system, DATABASE_URL=pooled, USAGE_BILLING_POOLER="transaction")
        assert "synchronous_commit is not on" in told


def started(home: Path, system: System, **environment: str) -> str:
    """What a worker and an API that do not start say, each in one line."""
    given = {
        **environment_without_ours(),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "REDIS_URL": system.valkey.url(),
        "USAGE_BILLING_SECRET": "x" * 32,
        "USAGE_BILLING_LOGS": str(home / "logs"),
        **environment,
    }
    api = ("gunicorn", "-c", "python:api.gunicorn_config", "--bind", "127.0.0.1:0", "api:create_app()")
    worker = ("celery", "--quiet", "-A", "tasks.celery", "worker", "-P", "solo", "-Q", "usage")
    said = []
    for command in (api, worker):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            env=given,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode != 0
        said.append(next(line for line in done.stderr.splitlines() if line.startswith("usage-billing")))
    assert said[0].split(": ", 1)[1] == said[1].split(": ", 1)[1]
    return said[0]
