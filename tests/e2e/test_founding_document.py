"""The founding document on a running stack: its example unchanged, every door through which billing starts, and what
another terminal finds.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from dotenv import dotenv_values

from tests.e2e.clock_changes import CHANGES, Used, answered, days_of, expected, used_around
from tests.e2e.test_up import OURS, REPOSITORY, Up, processes_of
from tests.support.processes import wait_until
from tests.support.programs import cannot
from usage_billing.embedded.ports import LOOPBACK, free_port

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
EXAMPLE = HERE / "founding_example.js"
# Of the founding document's code block, to the last byte.
EXAMPLE_SHA256 = "a6a4d14fd6c990a441bcb08c5945b1c237bd9e0ad75188c1e58b45e78fcb7088"
ASSESSMENTS = 53
SECONDS = 60
POLL_SECONDS = 0.2  # each look is an answer of the API


class Running:
    """The stack, and every way to talk to it that the founding document or an operator has."""

    def __init__(self, up: Up) -> None:
        self.up = up
        home = up.folder / ".usage-billing"
        self.environment = {k: v for k, v in dotenv_values(home / "running.env", interpolate=False).items() if v}
        self.secrets: dict[str, str] = json.loads((home / "secrets.json").read_text(encoding="utf-8"))

    def http(self, method: str, path: str, body: object = None, *, key: str = "USAGE_BILLING_ADMIN_KEY") -> Any:
        """Ask the API; returns the JSON of the answer."""
        headers = {"x-api-key": self.secrets[key], "Content-Type": "application/json"}
        return self._ask(f"http://{LOOPBACK}:{self.up.port}{path}", method, body, headers)

    def flower(self, path: str, body: object = None, *, password: str | None = None) -> Any:
        """Ask Flower, as its administrator."""
        credential = b64encode(f"admin:{password or self.secrets['FLOWER_PASSWORD']}".encode()).decode()
        return self._ask(f"{self.flower_url}{path}", "POST", body, {"Authorization": f"Basic {credential}"})

    @property
    def flower_url(self) -> str:
        """Where Flower is."""
        return next(line.split()[1] for line in self.up.lines if line.strip().startswith("Flower "))

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``usage-billing ...`` in another terminal, in the stack's folder."""
        return self._run("usage_billing", *arguments, environment={})

    def celery_call(self, task: str, *arguments: object) -> None:
        """``celery -A tasks.celery call ...``, with the settings of the stack."""
        command = ("celery", "-A", "tasks.celery", "call", task, f"--args={json.dumps(arguments)}")
        done = self._run(*command, environment=self.environment)
        assert done.returncode == 0, done.stderr

    def wait_until(self, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
        """Until the API answers so."""
        wait_until(condition, seconds, why=lambda: json.dumps(self.runs()) + self.up.text[-5000:], every=POLL_SECONDS)

    def used(self, subscription: str, usage_type: str) -> str:
        """How much of a type is in the books this month."""
        found = self.http("GET", f"/api/usage/subscription/{subscription}")
        return next((row["used"] for row in _rows(found) if row["usageType"] == usage_type), "0")

    def wait_until_used(self, subscription: str, usage_type: str, quantity: int) -> None:
        """Until workers have recorded it."""
        self.wait_until(lambda: self.used(subscription, usage_type) == str(quantity))

    def runs(self) -> list[dict[str, Any]]:
        """The logbook."""
        found: list[dict[str, Any]] = _rows(self.http("GET", "/api/billing-runs?limit=100"))
        return found

    def wait_until_billed(self, since: int) -> None:
        """Until all runs are completed, and there are more than ``since``."""

        def quiet() -> bool:
            runs = self.runs()
            return len(runs) > since and all(run["status"] == "completed" for run in runs)

        self.wait_until(quiet)

    def invoices(self, subscription: str) -> list[dict[str, Any]]:
        """Whole, with their items."""
        found = _rows(self.http("GET", f"/api/invoices?subscriptionId={subscription}"))
        return [self.http("GET", f"/api/invoices/{invoice['id']}") for invoice in found]

    def _run(self, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.up.folder,
            env={**clean, "PYTHONPATH": str(REPOSITORY), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @staticmethod
    def _ask(url: str, method: str, body: object, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=30) as answer:
            return json.load(answer)


def _rows(found: Any) -> list[dict[str, Any]]:
    """The rows of a list, whatever the list is called."""
    return next(value for value in found.values() if isinstance(value, list))


@pytest.fixture(scope="module")
def stack() -> Iterator[Running]:
    """``usage-billing up`` with Flower, in a folder of its own; beat bills every minute instead of every midnight."""
    with tempfile.TemporaryDirectory(prefix="usage-billing-e2e-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        up = Up(folder, "--with-flower", "--port", str(free_port()), USAGE_BILLING_SCHEDULE="* * * * *")
        try:
            running = Running(up.wait_until_ready())
            wait_until(lambda: _answers(running.flower_url), SECONDS, why=lambda: up.text[-5000:])
            wait_until(lambda: any(" ready." in line for line in up.lines), SECONDS, why=lambda: up.text[-5000:])
            yield running
            assert up.stop() == 0, up.text[-5000:]
        finally:
            if up.process.poll() is None:
                up.stop()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/healthcheck", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def axios(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which axios is installed, of the locked version."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        cannot("node and npm are not installed")
    folder = tmp_path_factory.mktemp("axios")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        cannot(f"npm cannot install axios: {done.stderr.strip().splitlines()[-1:]}")
    return folder


def run_example(stack: Running, axios: Path, calls: list[list[object]], *, key: str) -> tuple[list[bool], str]:
    """Make ``calls`` of the example's ``recordUsage``; what they returned, and what it complained of."""
    node = ["node", "--require", str(HERE / "payment_service.cjs"), str(HERE / "run_example.cjs"), str(EXAMPLE)]
    environment = {
        "PATH": os.environ["PATH"],
        "INTERNAL_API_KEY": key,
        "PAYMENT_SERVICE_PORT": str(stack.up.port),
    }
    done = subprocess.run(
        [*node, str(axios)], input=json.dumps(calls), env=environment, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results: list[bool] = json.loads(done.stdout.splitlines()[-1])
    return results, done.stderr


def test_the_commands_of_the_readme_lead_to_the_invoice(stack: Running) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    commands = next(block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "curl" in block)
    # What `make run` has made by then: an environment with the program in it.
    programs = stack.up.folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f"PATH='{programs}':$PATH\n", encoding="utf-8")
    program = programs / "usage-billing"
    program.write_text(f"#!/bin/sh\nPYTHONPATH='{REPOSITORY}' exec '{sys.executable}' -m usage_billing \"$@\"\n")
    program.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", commands], cwd=stack.up.folder, env={"PATH": os.environ["PATH"]}, capture_output=True,
        text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for shown in ('"overage":"3"', '"estimatedCharge":"30.00"', '"runId"', "30.00", "Nothing differs"):
        assert shown in done.stdout


def test_the_example_is_the_founding_documents_own() -> None:
    assert hashlib.sha256(EXAMPLE.read_bytes()).hexdigest() == EXAMPLE_SHA256


def test_the_example_records_and_what_lies_beyond_the_quota_is_charged(
    stack: Running, axios: Path, subscription: str
) -> None:
    key = stack.secrets["INTERNAL_API_KEY"]
    calls: list[list[object]] = [["user123", "sub456", "report", 1, {"reportId": "abc123"}]]
    calls += [[f"{subscription}-customer", subscription, "assessment", 1]] * ASSESSMENTS
    results, complaints = run_example(stack, axios, calls, key=key)
    assert results == [True] * len(calls), complaints
    stack.wait_until_used("sub456", "report", 1)
    stack.wait_until_used(subscription, "assessment", ASSESSMENTS)
    records = _rows(stack.http("GET", "/api/usage/subscription/sub456/records?usageType=report"))
    assert [record["metadata"] for record in records] == [{"reportId": "abc123"}]
    done = stack.cli("bill")
    assert done.returncode == 0, done.stderr
    (invoice,) = stack.invoices(subscription)
    assert invoice["total"] == "30.00"
    assert [(item["usageType"], item["quantity"], item["amount"]) for item in invoice["items"]] == [
        ("assessment", "3", "30.00")
    ]


def test_the_example_tells_when_it_could_not_record(stack: Running, axios: Path) -> None:
    results, complaints = run_example(stack, axios, [["user123", "sub456", "report", 1]], key="not-a-key-of-ours")
    assert results == [False]
    assert "Failed to record usage:" in complaints
    assert "401" in complaints


@pytest.fixture
def subscription(stack: Running, request: pytest.FixtureRequest) -> str:
    """A customer of its own for each test, on the example's plan."""
    name = re.sub(r"[^a-z]+", "-", request.node.name).strip("-")[-60:]
    stack.http("POST", "/api/customers", {"id": f"{name}-customer", "name": "Ann"})
    body = {"id": name, "userId": f"{name}-customer", "planId": "business", "startedAt": "2026-01-01T00:00:00Z"}
    stack.http("POST", "/api/subscriptions", body)
    return name


def recording(subscription: str, usage_type: str = "assessment", quantity: int = 1) -> dict[str, object]:
    """The body of a recording."""
    return {
        "userId": f"{subscription}-customer",
        "subscriptionId": subscription,
        "usageType": usage_type,
        "quantity": quantity,
    }


def test_billing_started_by_every_door_at_once_makes_one_invoice(stack: Running, subscription: str) -> None:
    events = [recording(subscription)] * ASSESSMENTS
    stack.http("POST", "/api/usage/record/batch", {"events": events}, key="INTERNAL_API_KEY")
    stack.wait_until_used(subscription, "assessment", ASSESSMENTS)
    doors: list[Callable[[], object]] = [
        lambda: stack.http("POST", "/api/usage/process-billing", {}, key="INTERNAL_API_KEY"),
        lambda: stack.celery_call("billing.run_daily"),
        lambda: stack.flower("/api/task/async-apply/billing.run_daily", {"args": []}),
        lambda: _succeed(stack.cli("bill")),
    ]
    before: list[dict[str, Any]] = []
    for time in range(2):
        since = len(stack.runs())
        with ThreadPoolExecutor(len(doors) * 2) as pool:
            for result in [pool.submit(door) for door in doors * 2]:
                result.result()
        stack.wait_until_billed(since)
        invoices = stack.invoices(subscription)
        assert time == 0 or invoices == before
        before = invoices
    (invoice,) = before
    (item,) = invoice["items"]
    assert (item["quantity"], item["unitPrice"], item["amount"], invoice["total"]) == ("3", "10", "30.00", "30.00")
    assert invoice["currency"] == "USD"


def _succeed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


def test_beat_bills_by_itself(stack: Running, subscription: str) -> None:
    stack.http("POST", "/api/usage/record", recording(subscription, quantity=ASSESSMENTS), key="INTERNAL_API_KEY")
    stack.wait_until(lambda: [invoice["total"] for invoice in stack.invoices(subscription)] == ["30.00"], SECONDS * 2)


@pytest.mark.parametrize("door", ["celery", "flower"])
def test_an_admin_who_starts_the_daily_task_by_hand_bills_what_is_new(
    stack: Running, subscription: str, door: str
) -> None:
    """Also right after beat's own run."""
    stack.http("POST", "/api/usage/record", recording(subscription, quantity=ASSESSMENTS), key="INTERNAL_API_KEY")
    stack.wait_until_used(subscription, "assessment", ASSESSMENTS)
    for total, quantity in (("30.00", ASSESSMENTS), ("40.00", ASSESSMENTS + 1)):
        stack.wait_until_used(subscription, "assessment", quantity)
        if door == "celery":
            stack.celery_call("billing.run_daily")
        else:
            stack.flower("/api/task/async-apply/billing.run_daily", {"args": []})
        stack.wait_until(
            lambda total=total: [i["total"] for i in stack.invoices(subscription)] == [total],  # type: ignore[misc]
            15,  # less than a minute: beat would bill it too
        )
        if quantity == ASSESSMENTS:
            stack.http("POST", "/api/usage/record", recording(subscription), key="INTERNAL_API_KEY")


def test_a_worker_settles_credit(stack: Running, subscription: str) -> None:
    """In a process of its own, which has imported no more than a worker does."""

    def bill(**asked: object) -> dict[str, Any]:
        run = stack.http("POST", "/api/usage/process-billing", asked, key="INTERNAL_API_KEY")["runId"]
        path = f"/api/billing-runs/{run}"
        stack.wait_until(lambda: stack.http("GET", path)["status"] == "completed")
        found: dict[str, Any] = stack.http("GET", path)
        return found

    now = datetime.now(UTC)
    late = {**recording(subscription, quantity=60), "timestamp": (now - timedelta(days=70)).isoformat()}
    taken = stack.http("POST", "/api/usage/record", late, key="INTERNAL_API_KEY")["id"]
    path = f"/api/usage/records/{taken}"
    stack.wait_until(lambda: stack.http("GET", path)["status"] == "recorded")
    bill()
    assert [invoice["total"] for invoice in stack.invoices(subscription)] == ["100.00"]
    stack.http("POST", f"{path}/void", {"reason": "test"})
    bill()
    assert sorted(invoice["total"] for invoice in stack.invoices(subscription)) == ["-100.00", "100.00"]
    assert bill(dryRun=True, asOf=(now + timedelta(days=70)).isoformat())["finalized"] >= 1


def test_an_admin_hands_one_recording_to_a_worker_by_name(stack: Running, subscription: str) -> None:
    stack.celery_call("usage.record_usage", recording(subscription, "analysis", 22))
    stack.wait_until_used(subscription, "analysis", 22)
    stack.flower("/api/task/async-apply/usage.record_usage", {"args": [recording(subscription, "analysis", 3)]})
    stack.wait_until_used(subscription, "analysis", 25)


def test_where_the_clocks_change_windows_of_local_time_have_what_was_used_in_them(stack: Running) -> None:
    meter = {"id": "busiest", "of": "ping", "unitName": "ping", "aggregation": "sum", "value": "n"}
    meter |= {"since": "2026-01-01T00:00:00Z", "window": {"every": "hour", "across": "max"}}
    for one in ({"id": "ping", "unitName": "ping"}, meter):
        stack.http("POST", "/api/usage-types", one)
    sent: dict[str, list[Used]] = {}
    for zone, changes in CHANGES.items():
        name = zone.lower().replace("/", "-")
        stack.http("POST", "/api/customers", {"id": f"{name}-customer", "name": "Ann"})
        body = {"id": name, "userId": f"{name}-customer", "planId": "business", "startedAt": "2026-01-01T00:00:00Z"}
        stack.http("POST", "/api/subscriptions", body | {"timezone": zone})
        sent[zone] = [used for change in changes for used in used_around(zone, change=change)]
        events = [
            {**recording(name, "ping", one.quantity), "timestamp": one.at.isoformat(), "metadata": {"n": one.quantity}}
            for one in sent[zone]
        ]
        stack.http("POST", "/api/usage/record/batch", {"events": events}, key="INTERNAL_API_KEY")

    def series(zone: str, usage_type: str, by: str, change: tuple[int, int]) -> Any:
        start, end = days_of(zone, change=change)
        asked = {"usageType": usage_type, "by": by, "from": start.isoformat(), "to": end.isoformat()}
        name = zone.lower().replace("/", "-")
        return stack.http("GET", f"/api/usage/subscription/{name}/series?{urlencode(asked)}")

    for zone, change in ((zone, change) for zone, changes in CHANGES.items() for change in changes):
        start, end = days_of(zone, change=change)
        used = [one for one in sent[zone] if start <= one.at < end]
        total = str(sum(one.quantity for one in used))
        is_counted = partial(lambda *asked, total: series(*asked)["total"] == total, zone, "ping", "day", change)
        stack.wait_until(partial(is_counted, total=total))
        hours = expected(used, by="hour", zone=zone)
        assert answered(series(zone, "ping", "hour", change), by="hour", zone=zone) == hours
        assert answered(series(zone, "ping", "day", change), by="day", zone=zone) == expected(used, by="day", zone=zone)
        assert answered(series(zone, "busiest", "hour", change), by="hour", zone=zone) == hours
        assert series(zone, "busiest", "day", change)["total"] == str(max(hours.values()))


def test_flower_is_on_the_loopback_behind_a_password(stack: Running) -> None:
    assert stack.flower_url.startswith(f"http://{LOOPBACK}:")
    with pytest.raises(urllib.error.HTTPError) as caught:
        stack.flower("/api/task/async-apply/billing.run_daily", {"args": []}, password="guessed")
    assert caught.value.code == 401
    password = stack.secrets["FLOWER_PASSWORD"]
    assert not any(password in name for name in processes_of(stack.up.folder).values())


def test_a_second_up_on_the_same_home_is_refused_in_one_line(stack: Running) -> None:
    status, said = Up(stack.up.folder, "--port", str(free_port())).result()
    assert status == 2
    assert re.fullmatch(r"usage-billing: `usage-billing up` already runs on .* \(process \d+\): stop it, .*", said)
    assert stack.up.process.poll() is None


def test_another_terminal_finds_the_running_stack(stack: Running) -> None:
    done = stack.cli("plans", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert "business" in done.stdout


def test_the_books_agree_with_the_usage_in_the_end(stack: Running) -> None:
    done = stack.cli("verify")
    assert done.returncode == 0, done.stdout + done.stderr
