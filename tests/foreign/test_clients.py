"""The unmodified clients of OpenMeter, Lago, Stripe and CloudEvents against the real service: `make test-clients`.

Each runs in an environment of its own, with the versions that stand beside its program. What it sent is then in the
books, each fact once, with the digits that it had.
"""

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
from usage_billing.db.session import read_only, transaction
from usage_billing.embedded.ports import free_port
from usage_billing.settings import Settings

pytestmark = pytest.mark.clients

PROGRAMS = Path(__file__).parent / "programs"
KEPT = ROOT / ".venv" / "clients"
INSTALL_SECONDS, SECONDS = 480, 120

Send = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def service(settings: Settings) -> Iterator[str]:
    """The API in a process of its own; ``settings`` has put what it needs into the environment."""
    port = free_port()
    with api(port) as address:
        yield address


@pytest.fixture
def send(service: str, engine: Engine, keys: Keys) -> Send:
    """Run a program against the service; the lines that it printed. ``tokens`` makes its quantity, ``calls`` none."""
    with transaction(engine) as session:
        make_world(session)
        for usage_type in ("tokens", "calls"):
            make_usage_type(session, id=usage_type)
            make_quota(session, usage_type=usage_type)

    def run(name: str) -> list[str]:
        command = [*_runner(name), service, keys.writer]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=KEPT)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def _runner(name: str) -> list[str]:
    """What runs the program ``name``, once its packages are installed; they are kept below ``KEPT``."""
    if name.endswith(".mjs"):
        return ["node", str(_npm() / name)]
    pins = (PROGRAMS / f"{name}.txt").read_text()
    folder, mark = KEPT / name, KEPT / name / "installed.txt"
    if not mark.exists() or mark.read_text() != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True, timeout=INSTALL_SECONDS)
        install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
        done = subprocess.run(
            [*install, "-r", str(PROGRAMS / f"{name}.txt")],
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
    for name in ("package.json", "package-lock.json", "send.mjs"):
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


def _refused(engine: Engine) -> list[str]:
    with read_only(engine) as session:
        return list(session.scalars(text("SELECT detail FROM quarantined_usage ORDER BY id")))


def _times(rows: list[Any]) -> set[str]:
    return {row.occurred_at.isoformat() for row in rows}


def test_openmeter_for_python(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    assert send("send_openmeter") == ["401 ClientAuthenticationError"]
    found = books()
    assert [(row.key, row.quantity) for row in found] == [(key, 1) for key in ("four", "one", "six", "three", "two")]
    assert {row.subscription_id for row in found} == {"sub456"}
    assert _times(found) == {"2026-11-01T12:00:00.123456+00:00"}
    assert json.loads(found[0].metadata, parse_float=Decimal) == {
        "tokens": 15, "cost": Decimal("0.1"), "tiny": Decimal("0.0000001"), "big": 2**60, "text": "7", "nothing": None,
    }  # fmt: skip
    [detail] = _refused(engine)
    assert detail.startswith("event 1: type must be")


def test_lago_for_python(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    lines = send("send_lago")
    assert lines == [
        "one sub456 tokens", "None", "401 401 key_invalid", "422 422 validation_errors",
    ]  # fmt: skip
    found = books()
    assert [row.key for row in found] == ["four", "one", "three", "two"]
    assert _times(found) == {"2026-11-01T12:00:00+00:00", "2026-11-01T12:00:00.500000+00:00"}
    bad, late = _refused(engine)
    assert bad.startswith("event 1: code must be")
    assert late == "event 0: timestamp must be in seconds since 1970"


def test_stripe_for_python(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    assert send("send_stripe") == ["MeterEvent calls one"] * 2 + ["AuthenticationError 401"]
    found = books()
    quantities = {row.key: row.quantity for row in found}
    assert quantities == {"one": 25, "two": Decimal("0.1"), "three": Decimal("1E-7"), "four": 25}
    assert json.loads(found[0].metadata) == {"model": "gpt"}
    assert _refused(engine) == ["event 0: payload[value] is required"]


def test_litellm_reports_a_model_call_to_both(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    """The customer is all that it names, also where Lago has a subscription; a model without a price costs null."""
    send("send_litellm")
    found = books()
    assert _refused(engine) == []
    assert sorted(row.type for row in found) == ["calls", "calls", "tokens", "tokens"]
    assert {row.subscription_id for row in found} == {"sub456"}
    reports = [json.loads(row.metadata, parse_float=Decimal) for row in found if row.type == "tokens"]
    assert {report["total_tokens"] for report in reports} == {30}
    assert {report["cost"] for report in reports} == {Decimal("0.0000135"), None}


@pytest.mark.parametrize("version", [1, 2])
def test_cloudevents_for_python(version: int, send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    assert set(send(f"send_cloudevents_{version}")) == {"202"}
    found = books()
    assert [(row.key, row.source) for row in found] == [("one", "svc"), ("two", "svc")]
    assert _times(found) == {f"2026-11-01T12:00:00{'.500000' if version == 1 else ''}+00:00"}
    assert _refused(engine) == []


def test_the_clients_for_node(send: Send, books: Callable[[], list[Any]], engine: Engine) -> None:
    lines = send("send.mjs")
    found = books()
    assert _refused(engine) == []
    assert [(row.key, row.type, row.quantity) for row in found] == [
        ("ce-1", "tokens", 1), ("ce-2", "tokens", 1), ("la-1", "tokens", 1), ("la-2", "tokens", 1),
        ("om-1", "tokens", 1), ("om-2", "tokens", 1), ("st-1", "calls", 25), ("st-2", "calls", 25),
    ]  # fmt: skip
    assert lines == [
        "openmeter 401 Not authenticated", "lago la-1", "lago 401 Unauthorized",
        "stripe billing.meter_event st-1", "stripe StripeAuthenticationError 401", "cloudevents 202", "cloudevents 202",
    ]  # fmt: skip
