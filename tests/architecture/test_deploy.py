"""What deploys the service starts it as ``usage-billing up`` and the documentation do."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.sources import ROOT
from tests.support.programs import find_program
from usage_billing.cli.stack.services import services
from usage_billing.settings import Settings

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
INSTALLED = "/opt/usage-billing/bin/"
PROMISES = ("appendonly yes", "appendfsync always", "maxmemory-policy noeviction", 'save ""')


def words_of(service: str) -> set[str]:
    """The options of a service under ``up`` that every start of it has."""
    found = {one.name: one.command for one in services(Settings(port=5003), {})}[service]
    return {
        word for word in found[3:] if word.startswith(("python:", "api:", "tasks.", "--without", "prefork", "usage,"))
    }


def commands() -> dict[str, list[str]]:
    """The command of each service, by the file that starts it and the service's name."""
    found: dict[str, list[str]] = {}
    for unit in UNITS:
        [line] = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        name = unit.stem.removeprefix("usage-billing-").rstrip("@")
        found[f"systemd {name}"] = shlex.split(line.replace("%%", "%"))
    for name, service in compose()["services"].items():
        if name in {"worker", "beat"}:
            found[f"compose {name}"] = service["command"]
    [line] = re.findall(r"^CMD (.*)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    found["container api"] = json.loads(line)
    return found


def compose() -> dict[str, Any]:
    """The compose file."""
    made: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return made


@pytest.mark.parametrize("start", sorted(commands()))
def test_each_service_is_started_as_up_starts_it(start: str) -> None:
    assert words_of(start.split()[1]) <= set(commands()[start])


def test_every_service_has_a_unit_and_a_container() -> None:
    kinds = {"api", "worker", "beat"}
    assert {unit.stem.removeprefix("usage-billing-").rstrip("@") for unit in UNITS} == kinds
    assert set(compose()["services"]) == kinds | {"postgres", "valkey", "migrate"}


def test_the_container_of_the_inbox_has_the_settings_that_a_202_rests_on() -> None:
    said = compose()["services"]["valkey"]["command"]
    page = (ROOT / "docs" / "operations.md").read_text()
    for promise in PROMISES:
        name, value = shlex.split(promise)
        assert promise in page
        assert said[said.index(f"--{name}") + 1] == value


def test_no_container_has_a_secret_of_its_own() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    secrets = re.findall(r"(?:PASSWORD|SECRET|KEY): (.*)", text)
    assert len(secrets) >= 5
    assert all(re.fullmatch(r"\$\{\w+:\?\}", value) for value in secrets)


def test_the_container_copies_what_is_there_and_is_not_root_s() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    sources = [line.split()[1] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
    assert sources == [".", "requirements.lock"]
    assert all((ROOT / source).exists() for source in sources)
    last = text.rpartition("FROM ")[2]
    assert re.findall(r"^USER (\S+)$", last, re.MULTILINE) == ["usage-billing"]


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    program, programs = find_program("systemd-analyze", "systemd"), tmp_path / "bin"
    programs.symlink_to(Path(sys.executable).parent)  # a unit's command is one word, and this folder may have a space
    for unit in UNITS:
        text = unit.read_text()
        assert INSTALLED in text
        copy = tmp_path / unit.name.replace("@", "@1")
        copy.write_text(text.replace(INSTALLED, f"{programs}/"))
        done = subprocess.run([program, "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), unit.name
