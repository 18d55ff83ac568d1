"""The system under measurement: what ``usage-billing up`` starts, with its settings, in a home of its own."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import psycopg

from tests.factories import make_customer, make_subscription
from tests.faults.processes import tree
from tests.faults.system import SERVICE_KEY, System
from tests.faults.world import STARTED, SUBSCRIPTIONS
from usage_billing.core.identifiers import new_id
from usage_billing.db.session import make_engine, transaction
from usage_billing.embedded.ports import free_port
from usage_billing.settings import Settings

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Answers:
    """What a client saw: how long all of it took, answers by status, milliseconds of each."""

    seconds: float
    statuses: dict[str, int]
    times: list[float]


@dataclass(frozen=True, slots=True)
class Spent:
    """What something took: seconds by the clock, and seconds of CPU in each part of the system."""

    seconds: float
    cpu: dict[str, float]


class Machine(System):
    """PostgreSQL and Valkey that fsync, API, worker and beat, on free ports; gone when the block ends."""

    def __init__(
        self,
        home: Path,
        *,
        api: int = 2,
        processes: int = 2,
        environment: dict[str, str] | None = None,
        serves: str = "web:create_app()",
    ) -> None:
        more = {"USAGE_BILLING_WORKER_PROCESSES": str(processes), "USAGE_BILLING_API_THREADS": str(16 // api)}
        super().__init__(home, environment=more | (environment or {}), api=serves)
        self.api = api

    def settings(self) -> Settings:
        """The settings of the system, with as many API processes and threads as this machine was given."""
        threads = int(self.environment["USAGE_BILLING_API_THREADS"])
        return replace(super().settings(), api_workers=self.api, api_threads=threads)

    def begin(self) -> "Machine":
        """Start all services and wait until they serve."""
        self.start()
        self.wait_ready()
        return self

    def subscribe(self, subscriptions: int) -> None:
        """Make ``subscriptions`` subscriptions with their customers: ``sub0`` of ``user0`` and so on."""
        engine = make_engine(self.postgres.url().replace("postgresql://", "postgresql+psycopg://"))
        with transaction(engine) as session:
            for number in range(SUBSCRIPTIONS, subscriptions):
                make_customer(session, id=f"user{number}", name=f"Customer {number}")
                make_subscription(session, id=f"sub{number}", customer=f"user{number}", started_at=STARTED)
        engine.dispose()

    def client(self, requests: Path, *, port: int | None = None, connections: int = 16, rate: float = 0) -> Answers:
        """Send the requests of the file ``requests``, which ``benchmarks.load`` describes."""
        command = [sys.executable, "-m", "benchmarks.load", str(port or self.port), str(requests)]
        command += ["--connections", str(connections), "--rate", str(rate)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise RuntimeError(f"{done.stderr}\n{self.tail()}")
        return Answers(**json.loads(done.stdout))

    def settle(self, seconds: float = 300) -> float:
        """Wait until nothing waits in the inbox; returns the seconds it took."""
        started = time.perf_counter()
        client = self.redis()
        while int(client.get("usage-billing:waiting") or 0):  # type: ignore[arg-type]
            if time.perf_counter() - started > seconds:
                raise TimeoutError(f"the inbox is not drained after {seconds:g} s\n{self.tail()}")
            time.sleep(0.01)
        client.close()
        return time.perf_counter() - started

    def record(self, requests: Path, number: int, *, connections: int) -> Spent:
        """Send ``requests`` and wait until the books hold the ``number`` recordings in them; returns what that took.

        The time to count them afterwards is not part of it.
        """
        begun = new_id()
        time.sleep(0.3)  # until the process that counted before has ended: its CPU would appear in this measurement
        used = self.cpu()
        answers = self.client(requests, connections=connections)
        if not set(answers.statuses) <= {"202", "204"}:
            raise RuntimeError(f"not all were accepted: {answers.statuses}\n{self.tail()}")
        seconds = answers.seconds + self.settle()
        spent = Spent(seconds, {name: now - used[name] for name, now in self.cpu().items()})
        if (recorded := self.recorded_since(begun)) != number:
            raise RuntimeError(f"{recorded} of {number} are in the books")
        return spent

    def vacuum(self) -> None:
        """Vacuum every table and write every page, so that neither happens during the measurement."""
        with psycopg.connect(self.postgres.superuser_url("usage_billing"), autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def recorded(self) -> int:
        """How many recordings are in the books."""
        return int(self.sql("SELECT count(*) FROM usage")[0][0])

    def recorded_since(self, begun: UUID) -> int:
        """How many recordings were accepted after the id ``begun`` was made.

        It reads those rows alone: counting the whole table would drive the pages in use out of the caches.
        """
        return int(self.sql("SELECT count(*) FROM usage WHERE id BETWEEN %s AND %s", begun, new_id())[0][0])

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each part has used so far, with the processes it forked."""
        return {name: sum(map(_cpu_of, tree(self.pid(name)))) for name in self.parts}

    def memory(self) -> dict[str, int]:
        """Bytes resident in the largest process of each part."""
        return {name: max(map(_memory_of, tree(self.pid(name))), default=0) for name in self.parts}


@contextmanager
def machine(
    *,
    api: int = 2,
    processes: int = 2,
    environment: dict[str, str] | None = None,
    serves: str = "web:create_app()",
) -> Iterator[Machine]:
    """A machine that serves: ``api`` processes of the API with 16 threads together, ``processes`` of the worker.

    ``serves`` is the application: with pages, or ``api:create_app()`` without.
    """
    with (
        tempfile.TemporaryDirectory(prefix="usage-billing-bench-") as place,
        Machine(Path(place) / "home", api=api, processes=processes, environment=environment, serves=serves) as made,
    ):
        yield made.begin()


@contextmanager
def served(app: str, made: Machine, *, environment: dict[str, str] | None = None) -> Iterator[int]:
    """Serve another WSGI application by the same server, processes and threads as the API; yields its port."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "-c", "python:api.gunicorn_config"]
    command += ["--workers", str(made.api), "--threads", made.environment["USAGE_BILLING_API_THREADS"], app]
    # gunicorn's settings are the API's, which asks for the addresses of its servers.
    api = made.parts["api"].env  # type: ignore[attr-defined]
    with process(command, environment={**api, **(environment or {})}):
        _wait_for(port)
        yield port


@contextmanager
def process(command: Sequence[str], *, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs beside the system and is ended with the block."""
    started = subprocess.Popen(command, cwd=ROOT, env=_environment(environment), stderr=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


def _environment(more: dict[str, str] | None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **(more or {})}


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _cpu_of(pid: int) -> float:
    """CPU seconds that a process has used: its threads' exact to 1 ns, its ended children's to 10 ms."""
    try:
        fields = [int(field) for field in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]
    except OSError:
        return 0.0
    nanoseconds = 0
    with suppress(OSError):  # it ended meanwhile
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                nanoseconds += int(task.read_text().split()[0])
    return max(nanoseconds / 1e9, sum(fields[:2]) / 100) + sum(fields[2:]) / 100


def _memory_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0


def key() -> str:
    """An API key that may do everything that services do."""
    return SERVICE_KEY
