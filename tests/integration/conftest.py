"""The command line, called in this process (``cli``, ``program``) and as the real program (``console``)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from sqlalchemy import Engine

from usage_billing.cli.group import run
from usage_billing.db.session import transaction
from usage_billing.flows.billing.drive_run import run_to_end
from usage_billing.flows.billing.open_run import RunRequest, open_run
from usage_billing.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its stdout, which must be one JSON document and nothing else."""
        return json.loads(self.out)


Cli = Callable[..., Answer]


@pytest.fixture
def cli(
    settings: Settings,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cli:
    """``cli("plans", "list")`` on the empty test database."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(arguments)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


def environment_of(settings: Settings, home: Path, **changes: str) -> dict[str, str]:
    """What a process of the program is given: nothing of ours but these settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database_url,
        "DATABASE_DIRECT_URL": settings.database_direct_url,
        "USAGE_BILLING_POOLER": settings.pooler,
        "REDIS_URL": settings.redis_url,
        "USAGE_BILLING_SECRET": settings.secret,
        "JWT_SECRET": settings.jwt_secret,
        "USAGE_BILLING_HOME": str(home),
        "USAGE_BILLING_LOGS": str(home / "logs"),
        **changes,
    }


@pytest.fixture
def program(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Cli:
    """``program("plans", "list", PORT="5003")``: as ``console`` says it, in this process.

    It takes a tenth of the time, and is for what neither the start nor the end of a process can change.
    """
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, **changes: str) -> Answer:
        given = {name: value for name, value in environment_of(settings, tmp_path, **changes).items() if value}
        capsys.readouterr()
        with patch.dict(os.environ, given, clear=True):
            code = run(arguments)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call


@pytest.fixture
def console(settings: Settings, tmp_path: Path) -> Cli:
    """``console("plans", "list", PORT="5003")``: the real program in a process and folder of its own."""

    def call(*arguments: str, stdin: bytes = b"", **changes: str) -> Answer:
        environment: Mapping[str, str] = environment_of(settings, tmp_path, **changes)
        done = subprocess.run(
            [sys.executable, "-m", "usage_billing", *arguments],
            env={name: value for name, value in environment.items() if value},
            cwd=tmp_path,
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call


Bill = Callable[[datetime], UUID]


@pytest.fixture
def bill(engine: Engine) -> Bill:
    """Run billing to its end, as of an instant; returns the run's id."""

    def as_of(now: datetime) -> UUID:
        with transaction(engine) as session:
            run_id = open_run(session, RunRequest(as_of=now), requested_by="test", now=now).id
        run_to_end(engine, run_id, settings_grace=timedelta(hours=1), on_progress=lambda _: None)
        return run_id

    return as_of
