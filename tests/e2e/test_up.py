"""``usage-billing up`` as a stranger meets it: start, type what it prints, stop, start again; and what it refuses.

A start takes seven seconds of CPU, so a test asks several things of one. What a running stack answers to another
terminal is asked in ``test_founding_document``.
"""

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
from unittest.mock import patch

import psycopg
import pytest

from tests.support.processes import gone, wait_until
from usage_billing.cli.group import run
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


def test_the_printed_commands_lead_to_the_invoice_which_a_second_start_finds_and_everything_ends_in_order(
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

    assert len(processes_of(folder)) >= 5
    assert stat.S_IMODE((folder / ".usage-billing" / "running.env").stat().st_mode) == 0o600
    assert second.stop(signal.SIGTERM) == 0
    stopped = [line.rpartition(" ")[2] for line in second.lines if "| stopping " in line]
    assert stopped == ["api", "beat", "worker", "valkey", "postgres"]
    assert processes_of(folder) == {}
    assert not (folder / ".usage-billing" / "running.env").exists()


def test_a_key_that_cannot_hold_is_named_before_anything_starts(up: Callable[..., Up], folder: Path) -> None:
    status, said = up(INTERNAL_API_KEY="short").result()
    assert (status, said.count("\n")) == (2, 0), said
    assert said.startswith("usage-billing: INTERNAL_API_KEY must have")
    assert not (folder / ".usage-billing").exists()


def test_given_servers_replace_the_embedded_ones_and_a_given_database_gets_no_example(
    up: Callable[..., Up], folder: Path
) -> None:
    with EmbeddedPostgres(folder / "elsewhere") as given, EmbeddedRedis(folder / "elsewhere") as redis:
        urls = {"DATABASE_URL": given.url(), "REDIS_URL": redis.url(3)}
        running = up("--port", str(free_port()), **urls).wait_until_ready()
        where = f"the given database postgresql://usage_billing@127.0.0.1:{given.port}/usage_billing"
        assert f"bringing {where} to the present schema" in running.text
        assert f"on      {where}" in running.text
        assert "There is no example in this database." in running.text
        assert given.url() not in running.text
        assert customers(given.url()) == 0
        assert "valkey" not in running.text
        assert not {"postgres", "valkey"} & {path.name for path in (folder / ".usage-billing").iterdir()}
        assert running.stop() == 0, running.text
        assert given.alive()
        assert redis.alive()


def customers(url: str) -> int:
    """How many customers a database has."""
    with psycopg.connect(url) as connection:
        return int(connection.execute("SELECT count(*) FROM customers").fetchone()[0])  # type: ignore[index]


def usage_of(running: Up, key: str) -> str:
    return f'curl -sS http://127.0.0.1:{running.port}/api/usage/subscription/sub456 -H "x-api-key: {key}"; echo'


def test_what_dies_is_started_again_and_an_up_killed_with_9_hinders_no_start(folder: Path) -> None:
    """At a terminal the keys are shown once, ``--no-seed`` leaves the database empty, and root may close the folder."""
    if AS_ROOT:
        folder.chmod(0o700)
    port = str(free_port())
    first = at_a_terminal(folder, "--no-seed", "--port", port)
    try:
        kept = json.loads((folder / ".usage-billing" / "secrets.json").read_text())
        keys = (kept["INTERNAL_API_KEY"], kept["USAGE_BILLING_ADMIN_KEY"])
        assert all(key in first.text for key in keys)
        assert "loaded the example catalogue" not in first.text
        assert customers(first.database_url) == 0
        kill_one_after_the_other(first)
    finally:
        first.process.kill()
        first.process.wait()
    second = at_a_terminal(folder, "--no-seed", "--port", port)  # at once: while the processes of the first are ending
    assert not any(key in second.text for key in keys)
    assert second.stop() == 0, second.text
    if AS_ROOT:
        elsewhere = Path((folder / ".usage-billing" / "data-is-in").read_text().strip())
        assert (elsewhere / "postgres" / "data").is_dir()
        shutil.rmtree(elsewhere)


def at_a_terminal(folder: Path, *arguments: str) -> Up:
    """``up`` whose output is a terminal, once it is ready."""
    master, slave = pty.openpty()
    running = Up(folder, *arguments, output=slave)
    os.close(slave)
    running.read_terminal(master)
    return running.wait_until_ready()


def kill_one_after_the_other(running: Up) -> None:
    """Kill each process that ``up`` started; it starts all of them again, and the API is ready again."""
    pids = {name: pid_of(running.folder, mark) for name, mark in MARKS.items()}
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    for name in pids:
        wait_until(lambda name=name: f"{name} is running again" in running.text, 60, why=lambda: running.text)  # type: ignore[misc]
        assert f"{name} ended (signal SIGKILL), starting it again" in running.text
    health = f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{running.port}/health/ready || true"
    wait_until(lambda: running.type(health) == "200", 60, why=lambda: running.text)


MARKS = {
    "api": "gunicorn",
    "beat": "tasks.celery beat",
    "worker": "tasks.celery worker",
    "valkey": "valkey-server",
    "postgres": "bin/postgres",
}


def pid_of(folder: Path, mark: str) -> int:
    """The first process of the stack with ``mark`` in its command: the one that `up` started, not what it forked."""
    homes = [str(folder / ".usage-billing")]
    note = folder / ".usage-billing" / "data-is-in"  # where a closed folder's servers are
    if note.exists():
        homes.append(note.read_text().strip())
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            command = (entry / "cmdline").read_text().replace("\0", " ")
            places = command + (entry / "environ").read_text() + os.readlink(entry / "cwd")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if mark in command and any(home in places for home in homes):
            return int(entry.name)
    raise AssertionError(f"nothing runs that is called {mark}")


@contextmanager
def taken(port: int) -> Iterator[None]:
    """A process has the port: this one, or one that has it already."""
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            squatter.bind((LOOPBACK, port))
            squatter.listen()
        yield


Refused = Callable[..., tuple[int, str]]


@pytest.fixture
def refused(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """What ``up`` says in this process, where it starts nothing: its exit code and its line."""
    monkeypatch.chdir(folder)
    clean = {name: value for name, value in os.environ.items() if not OURS.match(name)}

    def call(*arguments: str, **environment: str) -> tuple[int, str]:
        with patch.dict(os.environ, {**clean, **environment}, clear=True):
            code = run(["up", *arguments])
        said = capsys.readouterr()
        return code, (said.out + said.err).rstrip("\n")

    return call


def test_a_taken_port_that_was_asked_for_is_refused(refused: Refused, folder: Path) -> None:
    with taken(5003):
        for given in ({"PORT": "5003"}, {}):
            arguments = () if given else ("--port", "5003")
            status, said = refused(*arguments, **given)
            assert (status, said.count("\n")) == (2, 0), said
            assert "port 5003 on 127.0.0.1 cannot be had" in said
        (folder / ".env").write_text("PORT=5003\n")
        assert refused()[0] == 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:{port}/db"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:{port}/0"),
        ("CELERY_BROKER_URL", "redis://:hunter2@127.0.0.1:{port}/1"),
        ("CELERY_BROKER_URL", "amqp://guest:hunter2@127.0.0.1:{port}//"),
    ],
)
def test_a_given_server_that_does_not_answer_is_named_in_one_line(refused: Refused, variable: str, value: str) -> None:
    status, said = refused(**{variable: value.format(port=free_port())})
    assert (status, said.count("\n")) == (4, 0), said
    assert said.startswith(f"usage-billing: {variable}=")
    assert "does not answer" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
def test_a_url_of_the_wrong_kind_is_named_in_one_line(refused: Refused, variable: str) -> None:
    status, said = refused(**{variable: "mysql://me:hunter2@127.0.0.1/db"})
    assert (status, said.count("\n")) == (2, 0), said
    assert variable in said
    assert "hunter2" not in said
