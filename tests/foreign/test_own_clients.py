"""Our own clients against the real service: what they were told to record is in the books, to the last digit."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
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
from usage_billing.access.principal import USAGE_READ, USAGE_WRITE
from usage_billing.db.session import read_only, transaction
from usage_billing.embedded.ports import free_port
from usage_billing.settings import Settings

pytestmark = pytest.mark.clients

PROGRAMS = Path(__file__).parent / "programs"
CLIENTS = ROOT / "clients"
SECONDS = 60
QUANTITIES = {"one": 1, "two": Decimal("0.1"), "three": Decimal("1E-12"), "four": 10**12}

Run = Callable[[list[str]], list[str]]


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[str]:
    """The API in a process of its own; ``settings`` has put what it needs into the environment."""
    with api(free_port()) as address:
        yield address


@pytest.fixture
def run(service: str, engine: Engine, keys: Keys, tmp_path: Path) -> Run:
    """Run a program with the service's address, a key and a folder; the lines that it printed."""
    with transaction(engine) as session:
        make_world(session)
        for usage_type in ("tokens", "calls"):
            make_usage_type(session, id=usage_type)
            make_quota(session, usage_type=usage_type)

    def start(command: list[str]) -> list[str]:
        given = [*command, service, keys.of(USAGE_WRITE, USAGE_READ), str(tmp_path / "usage")]
        environment = {**os.environ, "PYTHONPATH": str(CLIENTS / "python")}
        done = subprocess.run(given, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return start


def _recorded(engine: Engine) -> dict[str, Any]:
    with read_only(engine) as session:
        rows = session.execute(text("SELECT idempotency_key AS key, quantity, metadata::text AS metadata FROM usage"))
        return {row.key: row for row in rows}


def _quarantined(engine: Engine) -> list[tuple[str, str]]:
    with read_only(engine) as session:
        rows = session.execute(text("SELECT id, reason FROM quarantined_usage"))
        return [(str(row.id), row.reason) for row in rows]


def test_the_client_for_node(run: Run, engine: Engine, drain: Drain) -> None:
    if shutil.which("node") is None:
        cannot("node is not installed")
    lines = run(["node", str(PROGRAMS / "own.mjs"), str(CLIENTS / "javascript")])
    drain()
    assert lines[:2] == ["false 0 5", 'true 4 [["five","invalid_request"]]'], "kept until the key was right"
    assert lines[2:8] == [
        "2", "Refused invalid_request", "Refused invalid_request", "Refused not_found", "sub456", "NotAllowed ",
    ]  # fmt: skip
    unknown, known = lines[8].split()
    found = _recorded(engine)
    assert {key: row.quantity for key, row in found.items()} == QUANTITIES | {"six": 2, "seven": 1, "eight": 3}
    assert json.loads(found["two"].metadata) == {"at": "1970-01-01T00:00:00.000Z", "bad": "NaN", "big": str(2**60)}
    assert [identifier for identifier, _ in _quarantined(engine)] == [unknown]
    assert known != unknown


def test_the_client_for_python(run: Run, engine: Engine, drain: Drain) -> None:
    lines = run([sys.executable, str(PROGRAMS / "own.py")])
    drain()
    assert lines[0] == "True 4 [['five', 'invalid_request']]"
    assert lines[2:] == ["Refused invalid_request", "NotAllowed"]
    found = _recorded(engine)
    assert {key: row.quantity for key, row in found.items()} == QUANTITIES
    assert json.loads(found["two"].metadata) == {"at": "1970-01-01T00:00:00.000000Z", "bad": "NaN", "big": 2**60}
    assert [identifier for identifier, _ in _quarantined(engine)] == [lines[1]]
