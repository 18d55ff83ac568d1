"""The four verifying libraries that receivers use, unmodified and outside this environment, verify what is sent."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import cannot
from tests.support.receivers import Receiver
from tests.webhooks.conftest import SECRET, World
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.manage_endpoints import rotate_secret

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
PYPI = ("standardwebhooks==1.1.0", "svix==2.9.1")
NPM = ("standardwebhooks@1.1.1", "svix@2.5.0")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python of its own with the two libraries of PyPI."""
    folder = tmp_path_factory.mktemp("verifying")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin/pip"), "install", "--quiet", *PYPI],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            cannot(f"{command[-1]} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the two libraries of npm."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        cannot("node and npm are not installed")
    folder = tmp_path_factory.mktemp("verifying-node")
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *NPM]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        cannot(f"npm cannot install {NPM}: {done.stderr.strip().splitlines()[-1:]}")
    return str(folder)


@pytest.fixture
def cases(world: World, receiver: Receiver) -> list[dict[str, Any]]:
    """What a receiver got: as it came, during a rotation by either secret, and changed in each place."""
    secret = world.endpoint(receiver)
    world.tell("Söhne \u2028")
    world.send()
    with transaction(world.engine) as session:
        overlap = timedelta(days=1)
        new = rotate_secret(session, "e", overlap=overlap, under=SECRET, actor="test", now=world.now()).secret
    world.tell("ann")
    world.send()
    first, second = ({"body": got.body.decode(), "headers": got.headers} for got in receiver.got)
    stale = {**first["headers"], "webhook-timestamp": str(int(first["headers"]["webhook-timestamp"]) - 301)}
    other = {**first["headers"], "webhook-id": "evt_x"}
    return [
        {"name": "good", "secret": secret, **first},
        {"name": "good without a prefix", "secret": secret.removeprefix("whsec_"), **first},
        {"name": "good by the old secret", "secret": secret, **second},
        {"name": "good by the new secret", "secret": new, **second},
        {"name": "bad secret", "secret": new, **first},
        {"name": "bad body", "secret": secret, **first, "body": first["body"].replace("1", "2", 1)},
        {"name": "bad time", "secret": secret, **first, "headers": stale},
        {"name": "bad id", "secret": secret, **first, "headers": other},
    ]


def verdict(command: list[str], cases: list[dict[str, Any]]) -> dict[str, Any]:
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def expected(cases: list[dict[str, Any]]) -> dict[str, bool]:
    names = ("standardwebhooks", "svix")
    return {f"{name} {case['name']}": case["name"].startswith("good") for name in names for case in cases}


def test_those_of_pypi_verify_what_is_sent(python: str, cases: list[dict[str, Any]]) -> None:
    assert verdict([python, str(HERE / "verify.txt")], cases) == expected(cases)


def test_those_of_npm_verify_what_is_sent(node: str, cases: list[dict[str, Any]]) -> None:
    assert verdict(["node", str(HERE / "verify.mjs"), node], cases) == expected(cases)
