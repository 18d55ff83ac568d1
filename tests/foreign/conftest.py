"""The service that the clients of others talk to, and what runs their programs in environments of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.architecture.sources import ROOT
from tests.conftest import Drain
from tests.factories import make_world
from tests.factories.catalog import make_quota, make_usage_type
from tests.gateway.servers import api
from tests.support.callers import Keys
from tests.support.programs import cannot
from usage_billing.db.session import read_only, transaction
from usage_billing.embedded.ports import free_port
from usage_billing.settings import Settings

PROGRAMS = Path(__file__).parent / "programs"
KEPT = ROOT / ".venv" / "clients"
INSTALL_SECONDS, SECONDS = 480, 120

Send = Callable[..., list[str]]
"""Run the program of this name with the service's address and what is given, else the writer's key; what it printed."""


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[str]:
    """The API in a process of its own; ``settings`` has put what it needs into the environment."""
    port = free_port()
    with api(port) as address:
        yield address


@pytest.fixture
def send(service: str, engine: Engine, keys: Keys) -> Send:
    """Run a program against the service, in whose books ``tokens`` and ``calls`` are counted."""
    with transaction(engine) as session:
        make_world(session)
        for usage_type in ("tokens", "calls"):
            make_usage_type(session, id=usage_type)
            make_quota(session, usage_type=usage_type)

    def run(name: str, *given: str) -> list[str]:
        command = [*_runner(name), service, *(given or [keys.writer])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=KEPT)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def _runner(name: str) -> list[str]:
    """What runs the program ``name``, once its packages are installed; they are kept below ``KEPT``.

    A program that reads, or does something else, has the packages of the one that sends.
    """
    if name.endswith(".mjs"):
        return ["node", str(_npm() / name)]
    made = name if name.startswith("send_") else f"send_{name.partition('_')[2]}"
    pins = (PROGRAMS / f"{made}.txt").read_text()
    folder, mark = KEPT / made, KEPT / made / "installed.txt"
    if not mark.exists() or mark.read_text() != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=INSTALL_SECONDS)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        done = subprocess.run(
            [*install, "-r", str(PROGRAMS / f"{made}.txt")],
            capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            cannot(f"pip cannot install {name}: {done.stderr.strip().splitlines()[-1:]}")
        mark.write_text(pins)
    return [str(folder / "bin" / "python"), str(PROGRAMS / f"{name}.py")]


def _npm() -> Path:
    if shutil.which("node") is None or shutil.which("npm") is None:
        cannot("node and npm are not installed")
    folder, pins = KEPT / "npm", (PROGRAMS / "package-lock.json").read_text()
    mark = folder / "installed.json"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "send.mjs", "read.mjs", "cases.mjs"):
        shutil.copy(PROGRAMS / name, folder)
    if not mark.exists() or mark.read_text() != pins:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False, env=os.environ
        )
        if done.returncode:
            cannot(f"npm cannot install: {done.stderr.strip().splitlines()[-1:]}")
        mark.write_text(pins)
    return folder


@pytest.fixture
def books(engine: Engine, drain: Drain) -> Callable[[], list[Any]]:
    """What is recorded, by key; what is in quarantine must be a list of (reason, detail)."""

    def read() -> list[Any]:
        drain()
        statement = text(
            "SELECT idempotency_key AS key, source, usage_type_id AS type, quantity, subscription_id, occurred_at,"
            " metadata::text AS metadata FROM usage ORDER BY idempotency_key"
        )
        with read_only(engine) as session:
            return list(session.execute(statement))

    return read
