"""``usage-billing up`` as a stranger meets it: start, type what it prints, stop, start again; and what it refuses."""

import json
import os
import pty
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psycopg
import pytest

from tests.support.processes import gone, wait_until
from usage_billing.embedded.ports import LOOPBACK, free_port
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.embedded.redis import EmbeddedRedis

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0
OURS = re.compile(r"^(DATABASE_URL|REDIS_URL|CELERY_|PORT$|USAGE_BILLING_|INTERNAL_API_KEY|JWT_|FLOWER_|PYTEST_)")
RUNNING = "usage-billing is running."


def processes_of(folder: Path) -> dict[int, str]:
    """Living processes whose environment or command line names ``folder``: the whole stack, however orphaned."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            name = (entry / "cmdline").read_text().replace("\0", " ")[:100]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(folder).encode() in text and int(entry.name) != os.getpid() and not gone(int(entry.name)):
            found[int(entry.name)] = name
    return found


class Up:
    """One ``usage-billing up`` in ``folder``, its output collected."""

    def __init__(self, folder: Path, *arguments: str, output: int = subprocess.PIPE, **environment: str) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        # As a terminal would have it: children find the package wherever they start.
        path = os.pathsep.join(part for part in (os.environ.get("PYTHONPATH"), str(REPOSITORY)) if part)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "usage_billing", "up", *arguments],
            cwd=folder,
            env={**clean, "PYTHONPATH": path, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        if self.process.stdout is not None:
            self._read_from(self.process.stdout)

    def read_terminal(self, master: int) -> None:
        """Collect what it writes to the terminal whose other side is ``master``."""
        self._read_from(os.fdopen(master, encoding="utf-8", errors="replace"))

    def _read_from(self, stream: IO[str]) -> None:
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        with suppress(OSError):  # a terminal whose last writer has gone
            for line in stream:
                self.lines.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_until_ready(self) -> "Up":
        wait_until(
            lambda: any("the data stay" in line for line in self.lines) or self.process.poll() is not None,
            90,
            why=lambda: self.text,
        )
        assert self.process.poll() is None, self.text
        return self

    def stop(self, number: int = signal.SIGINT) -> int:
        os.killpg(self.process.pid, number)  # to the whole foreground group, as a terminal does
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=5)
        return status

    def result(self, seconds: float = 60) -> tuple[int, str]:
        status = self.process.wait(timeout=seconds)
        self._reader.join(timeout=5)
        return status, self.text

    @property
    def database_url(self) -> str:
        """The URL of its database, as other terminals find it."""
        found = re.search(r"^DATABASE_URL='(.*)'$", (self.folder / ".usage-billing/running.env").read_text(), re.M)
        assert found
        return found[1]

    @property
    def port(self) -> int:
        found = re.search(r"API +http://127\.0\.0\.1:(\d+)", self.text)
        assert found, self.text
        return int(found[1])

    def printed_commands(self) -> str:
        """What it says to type, as one script."""
        start = next(number for number, line in enumerate(self.lines) if line.startswith("Type this"))
        end = next(number for number, line in enumerate(self.lines) if line.startswith("Ctrl-C"))
        return "\n".join(self.lines[start + 1 : end])

    def type(self, commands: str) -> str:
        """Type into another terminal: a plain shell, somewhere else."""
        done = subprocess.run(
            ["/bin/sh", "-c", commands], cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
            timeout=60, check=True,
        )  # fmt: skip
        return done.stdout


@contextmanager
def project() -> Iterator[Path]:
    """A project folder with a space in its name; whatever runs in it at the end was left behind."""
    with tempfile.TemporaryDirectory(prefix="my project ") as name:
        Path(name).chmod(0o711 if AS_ROOT else 0o700)
        yield Path(name)
        left = processes_of(Path(name))
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == {}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A project folder for one test."""
    with project() as made:
        yield made


@pytest.fixture(scope="module")
def stack() -> Iterator[Up]:
    """A running stack with Flower, for tests that leave it as it is."""
    with project() as made:
        running = Up(made, "--with-flower")
        try:
            yield running.wait_until_ready()
        finally:
            status = running.stop()
        assert status == 0, running.text


@pytest.fixture
def up(folder: Path) -> Iterator[Callable[..., Up]]:
    """Start ``up`` in the folder; all of them are stopped at the end."""
    started: list[Up] = []

    def start(*arguments: str, **environment: str) -> Up:
        started.append(Up(folder, *arguments, **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop(signal.SIGTERM)
    wait_until(lambda: processes_of(folder) == {}, 30, why=lambda: str(processes_of(folder)))


def documents(text: str) -> list[dict[str, object]]:
    """The JSON documents that the printed commands answered with."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_the_printed_commands_lead_to_the_invoice_and_a_second_start_finds_it(
    up: Callable[..., Up], folder: Path
) -> None:
    with taken(5003):
        first = up().wait_until_ready()
    assert "port 5003 is taken, the API will be on" in first.text
    assert first.port != 5003
    assert "loaded the example catalogue into the empty database" in first.text
    kept = json.loads((folder / ".usage-billing" / "secrets.json").read_text())
    key = kept["INTERNAL_API_KEY"]

    fetch, record, bill, show = re.split(r"\n\s*\n", first.printed_commands().strip())
    assert "secrets.json" in fetch
    record, bill, show = (f"{fetch}\n{commands}" for commands in (record, bill, show))
    (accepted,) = documents(first.type(record))
    assert accepted["status"] == "accepted"
    wait_until(lambda: "53" in first.type(usage_of(first, key)), 30, why=lambda: first.text)
    (run,) = documents(first.type(bill))
    assert run["runId"]
    wait_until(lambda: "30.00" in first.type(show), 60, why=lambda: first.text)
    _, invoice = documents(first.type(show))
    (item,) = invoice["items"]  # type: ignore[misc, str-bytes-safe]
    assert (item["quantity"], item["amount"], invoice["total"]) == ("3", "30.00", "30.00")  # type: ignore[index]
    for _ in range(2):
        first.type(bill)
    time.sleep(2)
    assert documents(first.type(show))[1]["items"] == [item], "billed again, it is the same"

    logs = "".join(path.read_text() for path in (folder / "logs").glob("usage-billing-*.log"))
    assert logs
    for secret in kept.values():
        assert secret not in logs
        assert secret not in first.text, "what is no terminal may be a file"
    assert first.stop() == 0, first.text

    second = up().wait_until_ready()
    assert second.port == first.port, "clients know the address by now"
    assert not any(secret in second.text for secret in kept.values())
    _, again = documents(second.type(show))
    assert again["items"] == [item]
    assert second.stop() == 0, second.text


def test_a_key_that_cannot_hold_is_named_before_anything_starts(up: Callable[..., Up], folder: Path) -> None:
    status, said = up(INTERNAL_API_KEY="short").result()
    assert (status, said.count("\n")) == (2, 0), said
    assert said.startswith("usage-billing: INTERNAL_API_KEY must have")
    assert not (folder / ".usage-billing").exists()


def test_a_database_given_by_url_is_named_and_gets_no_example(up: Callable[..., Up], folder: Path) -> None:
    with EmbeddedPostgres(folder / "elsewhere") as given:
        running = up("--port", str(free_port()), DATABASE_URL=given.url()).wait_until_ready()
        where = f"the given database postgresql://usage_billing@127.0.0.1:{given.port}/usage_billing"
        assert f"bringing {where} to the present schema" in running.text
        assert f"on      {where}" in running.text
        assert "There is no example in this database." in running.text
        assert given.url() not in running.text
        with psycopg.connect(given.url()) as connection:
            assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)
        assert running.stop() == 0, running.text


def usage_of(running: Up, key: str) -> str:
    return f'curl -sS http://127.0.0.1:{running.port}/api/usage/subscription/sub456 -H "x-api-key: {key}"; echo'


def test_everything_ends_in_order_and_nothing_is_left(up: Callable[..., Up], folder: Path) -> None:
    running = up().wait_until_ready()
    assert len(processes_of(folder)) >= 5
    assert stat.S_IMODE((folder / ".usage-billing" / "running.env").stat().st_mode) == 0o600
    assert running.stop(signal.SIGTERM) == 0
    stopped = [line.rpartition(" ")[2] for line in running.lines if "| stopping " in line]
    assert stopped == ["api", "beat", "worker", "valkey", "postgres"]
    assert processes_of(folder) == {}
    assert not (folder / ".usage-billing" / "running.env").exists()


def test_an_up_killed_with_9_leaves_nothing_and_the_next_shows_no_key_that_was_shown(folder: Path) -> None:
    """At a terminal the keys are shown once."""
    port = str(free_port())
    for first in (True, False):
        master, slave = pty.openpty()
        running = Up(folder, "--port", port, output=slave)
        os.close(slave)
        running.read_terminal(master)
        running.wait_until_ready()
        kept = json.loads((folder / ".usage-billing" / "secrets.json").read_text())
        for name in ("INTERNAL_API_KEY", "USAGE_BILLING_ADMIN_KEY"):
            assert (kept[name] in running.text) is first
        if first:
            running.process.kill()
            running.process.wait()  # the next starts at once: while the processes of this one are ending
    assert running.stop() == 0, running.text


def test_what_dies_is_started_again(up: Callable[..., Up], folder: Path) -> None:
    running = up().wait_until_ready()
    pids = {name: pid_of(folder, mark) for name, mark in MARKS.items()}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for name in pids:
        wait_until(lambda name=name: f"{name} is running again" in running.text, 60, why=lambda: running.text)  # type: ignore[misc]
        assert f"{name} ended (signal SIGKILL), starting it again" in running.text
    health = f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{running.port}/health/ready || true"
    wait_until(lambda: running.type(health) == "200", 60, why=lambda: running.text)
    assert running.stop() == 0, running.text


MARKS = {
    "api": "gunicorn",
    "beat": "tasks.celery beat",
    "worker": "tasks.celery worker",
    "valkey": "valkey-server",
    "postgres": "bin/postgres",
}


def pid_of(folder: Path, mark: str) -> int:
    """The first process of the stack with ``mark`` in its command: the one that `up` started, not what it forked."""
    home = str(folder / ".usage-billing")
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            command = (entry / "cmdline").read_text().replace("\0", " ")
            inside = home in command + (entry / "environ").read_text() or home in os.readlink(entry / "cwd")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if mark in command and inside:
            return int(entry.name)
    raise AssertionError(f"nothing runs that is called {mark}")


def test_a_second_up_on_the_same_home_is_refused_in_one_line(stack: Up) -> None:
    status, said = Up(stack.folder, "--port", str(free_port())).result()
    assert status == 2
    assert re.fullmatch(r"usage-billing: `usage-billing up` already runs on .* \(process \d+\): stop it, .*", said)
    assert stack.process.poll() is None


@contextmanager
def taken(port: int) -> Iterator[None]:
    """A process has the port: this one, or one that has it already."""
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            squatter.bind((LOOPBACK, port))
            squatter.listen()
        yield


def test_a_taken_port_that_was_asked_for_is_refused(up: Callable[..., Up], folder: Path) -> None:
    with taken(5003):
        for given in ({"PORT": "5003"}, {}):
            arguments = () if given else ("--port", "5003")
            status, said = up(*arguments, **given).result()
            assert (status, said.count("\n")) == (2, 0), said
            assert "port 5003 on 127.0.0.1 cannot be had" in said
        (folder / ".env").write_text("PORT=5003\n")
        assert up().result()[0] == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:{port}/db"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:{port}/0"),
        ("CELERY_BROKER_URL", "redis://:hunter2@127.0.0.1:{port}/1"),
        ("CELERY_BROKER_URL", "amqp://guest:hunter2@127.0.0.1:{port}//"),
    ],
)
def test_a_given_server_that_does_not_answer_is_named_in_one_line(
    up: Callable[..., Up], variable: str, value: str
) -> None:
    status, said = up(**{variable: value.format(port=free_port())}).result()
    assert (status, said.count("\n")) == (4, 0), said
    assert said.startswith(f"usage-billing: {variable}=")
    assert "does not answer" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_a_url_of_the_wrong_kind_is_named_in_one_line(up: Callable[..., Up], variable: str) -> None:
    status, said = up(**{variable: "mysql://me:hunter2@127.0.0.1/db"}).result()
    assert (status, said.count("\n")) == (2, 0), said
    assert variable in said
    assert "hunter2" not in said


def test_a_given_redis_replaces_the_embedded_one_and_no_seed_leaves_the_database_empty(
    up: Callable[..., Up], folder: Path
) -> None:
    with EmbeddedRedis(folder / "elsewhere") as given:
        running = up("--no-seed", REDIS_URL=given.url(3)).wait_until_ready()
        assert "loaded the example catalogue" not in running.text
        with psycopg.connect(running.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM customers").fetchone() == (0,)
        assert "valkey" not in running.text
        assert not (folder / ".usage-billing" / "valkey").exists()
        assert running.stop() == 0, running.text
        assert given.alive()


def test_flower_is_on_the_loopback_behind_a_password(stack: Up) -> None:
    found = re.search(r"Flower +(http://127\.0\.0\.1:\d+)", stack.text)
    assert found
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' {found[1]}/"
    wait_until(lambda: stack.type(f"{ask} || true") == "401", 60, why=lambda: stack.text)
    password = json.loads((stack.folder / ".usage-billing" / "secrets.json").read_text())["FLOWER_PASSWORD"]
    assert stack.type(f"{ask} -u admin:{password}") in {"200", "302"}
    assert not any(password in name for name in processes_of(stack.folder).values())


def test_another_terminal_finds_the_running_stack(stack: Up) -> None:
    path = os.pathsep.join(part for part in (os.environ.get("PYTHONPATH"), str(REPOSITORY)) if part)
    command = [sys.executable, "-m", "usage_billing", "plans", "list", "--json"]
    done = subprocess.run(
        command, cwd=stack.folder, env={"PATH": os.environ["PATH"], "PYTHONPATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "business" in done.stdout


@pytest.mark.skipif(not AS_ROOT, reason="a closed folder of root's own")
def test_in_a_folder_closed_to_nobody_it_works_as_well(folder: Path) -> None:
    folder.chmod(0o700)
    running = Up(folder, "--port", str(free_port())).wait_until_ready()
    note = Path((folder / ".usage-billing" / "data-is-in").read_text().strip())
    try:
        assert running.stop() == 0, running.text
        assert (note / "postgres" / "data").is_dir()
    finally:
        shutil.rmtree(note)
