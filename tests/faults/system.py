"""The whole system as processes of its own, each of which can be killed, paused and started again by name.

The parts and their commands are those of ``usage-billing up``; only who restarts what, and when, is the test's.
"""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import psycopg
from redis import Redis

from tests.faults.processes import children, send, tree
from tests.faults.world import make_many
from usage_billing.access.principal import ADMIN, BILLING_RUN, USAGE_READ, USAGE_WRITE
from usage_billing.access.service import ensure_key
from usage_billing.cli.migration.migrate import upgrade
from usage_billing.cli.stack.services import services, stack_environment
from usage_billing.db.session import make_engine, transaction
from usage_billing.embedded.ports import free_port
from usage_billing.embedded.postgres import EmbeddedPostgres
from usage_billing.embedded.redis import EmbeddedRedis
from usage_billing.embedded.secrets import Secrets
from usage_billing.settings import Settings
from usage_billing.supervisor.child import Child, Part

ADMIN_KEY = "an-admin-key-for-the-fault-tests"
SERVICE_KEY = "a-service-key-for-the-fault-tests"
SECRET = "a-secret-for-the-fault-tests-of-32-characters"
BROKER_DATABASE = 1
SERVERS = ("postgres", "valkey")


class Proxied:
    """A link through ``tests.faults.proxy``, in a process of its own."""

    def __init__(self, target: int, log: IO[bytes]) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "tests.faults.proxy", str(self.port), str(target)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"

    def tell(self, line: str) -> None:
        """Let it misbehave."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class System:
    """PostgreSQL and Valkey that fsync, the API, a worker, beats. Everything is ended when the block ends.

    ``environment`` adds settings; ``celery`` and ``api`` replace what the workers and gunicorn load; with ``proxied``
    the API's and the workers' connections, and the clients', go through proxies.
    """

    def __init__(
        self,
        home: Path,
        *,
        environment: Mapping[str, str] | None = None,
        beats: int = 1,
        workers: int = 1,
        proxied: bool = False,
        broker: str = "",
        celery: str = "tasks.celery",
        api: str = "web:create_app()",
        valkey: "Valkey | None" = None,
        postgres: EmbeddedPostgres | None = None,
        without_redis: bool = False,
    ) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._log_lock = threading.Lock()
        self.log = (home / "system.log").open("ab", buffering=0)
        self.postgres = postgres or EmbeddedPostgres(home)
        self.valkey = valkey or Valkey(home, fsync="always")
        self.without_redis = without_redis
        self.parts: dict[str, Part] = {"postgres": self.postgres, "valkey": self.valkey}
        self.proxies: dict[str, Proxied] = {}
        self.wanted: set[str] = set()
        self.port = free_port()
        self.environment = dict(environment or {})
        self.beats, self.workers, self.proxied, self.broker = beats, workers, proxied, broker
        self._replaced = {"tasks.celery": celery, "web:create_app()": api}

    def __enter__(self) -> "System":
        try:
            self.start_servers()
            self.make_services()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_servers(self) -> None:
        """PostgreSQL with the schema, keys and a world in it; Valkey."""
        self.start("postgres", "valkey")
        url = self.postgres.url().replace("postgresql://", "postgresql+psycopg://")
        upgrade(url)
        engine = make_engine(url)
        with transaction(engine) as session:
            everything = (USAGE_WRITE, USAGE_READ, BILLING_RUN)
            ensure_key(session, ADMIN_KEY, name="admin", scopes=(ADMIN,), secret=SECRET)
            ensure_key(session, SERVICE_KEY, name="internal", scopes=everything, secret=SECRET)
            make_many(session)
        engine.dispose()
        if self.proxied:
            for name, port in (("postgres", self.postgres.port), ("valkey", self.valkey.port), ("api", self.port)):
                self.proxies[name] = Proxied(port, self.log)

    def make_services(self) -> None:
        """The services, not yet started."""
        settings = self.settings()
        secrets = Secrets(secret=SECRET, jwt_secret=SECRET, admin_key="", internal_api_key="", flower_password="")
        environment = stack_environment(settings, secrets=secrets) | self.service_environment()
        found = {service.name: service for service in services(settings, environment)}
        copies = {"api": 1, "worker": self.workers, "beat": self.beats}
        for kind, number in copies.items():
            service = found[kind]
            command = [self._replaced.get(word, word) for word in service.command]
            for copy in range(number):
                name = kind if copy == 0 else f"{kind}{copy + 1}"
                extra = [f"--hostname={name}@%h"] if kind == "worker" else []
                self.parts[name] = Child(
                    name, command + extra, env=service.environment, say=self.say, stop_seconds=service.stop_seconds
                )

    def service_environment(self) -> dict[str, str]:
        """What the services are told beside the addresses."""
        root = str(Path(__file__).parents[2])
        defaults = {
            "PYTHONPATH": root,
            "USAGE_BILLING_GRACE_SECONDS": "0",
            "USAGE_BILLING_SCHEDULE": "* * * * *",
            "USAGE_BILLING_API_THREADS": "16",
            "USAGE_BILLING_RATE_LIMIT": "100000000",
        }
        return defaults | self.environment

    def settings(self) -> Settings:
        """The addresses that the services use."""
        database, redis = self.postgres.url(), self.valkey.url()
        broker = self.broker or self.valkey.url(BROKER_DATABASE)
        if self.proxied:
            database = database.replace(f":{self.postgres.port}/", f":{self.proxies['postgres'].port}/")
            redis = redis.replace(f":{self.valkey.port}/", f":{self.proxies['valkey'].port}/")
        made = Settings(
            database_url=database,
            redis_url="" if self.without_redis else redis,
            celery_broker_url=broker,
            port=self.port,
            home=self.home,
            logs=self.home / "logs",
            api_workers=2,
        )
        given = Settings.from_environment(self.environment)
        return replace(made, inbox=given.inbox, stop_seconds=given.stop_seconds, api_workers=2)

    def start(self, *names: str) -> None:
        """Start these parts, or all services."""
        for name in names or [name for name in self.parts if name not in SERVERS]:
            self.parts[name].start()
            self.wanted.add(name)

    def stop(self) -> None:
        """End everything, and tidy up what the servers kept outside of the home."""
        for name in reversed(list(self.parts)):
            self.resume(name)
            if name not in SERVERS and getattr(self.parts[name], "pid", None):
                self.kill(name)  # how they end in order is a test of its own
            with suppress(Exception):
                self.parts[name].stop()
        for proxy in self.proxies.values():
            proxy.stop()
        self.postgres.discard()
        self.valkey.discard()
        self.log.close()

    def pid(self, name: str) -> int:
        """The main process of a part."""
        pid = self.parts[name].pid  # type: ignore[attr-defined]
        assert pid is not None
        return int(pid)

    def kill(self, name: str) -> int:
        """kill -9 to a part as a whole; returns the number of processes."""
        return send(tree(self.pid(name)), signal.SIGKILL)

    def kill_main(self, name: str) -> int:
        """kill -9 to the main process alone."""
        return send([self.pid(name)], signal.SIGKILL)

    def kill_child(self, name: str, choose: Callable[[list[int]], int]) -> int:
        """kill -9 to one of the processes that the main process forked."""
        forked = children(self.pid(name))
        return send([choose(forked)], signal.SIGKILL) if forked else 0

    def pause(self, name: str) -> None:
        """SIGSTOP to all of a part."""
        send(tree(self.pid(name)), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT to all of a part."""
        pid = getattr(self.parts[name], "pid", None)
        if pid:
            send(tree(pid), signal.SIGCONT)

    def say(self, name: str, line: str) -> None:
        """A line of a part, into the log."""
        with self._log_lock, suppress(ValueError):
            self.log.write(f"{time.strftime('%H:%M:%S')} {name:<8} {line}\n".encode())

    @property
    def url(self) -> str:
        """Where clients find the API."""
        port = self.proxies["api"].port if self.proxied else self.port
        return f"http://127.0.0.1:{port}"

    def wait_ready(self, seconds: float = 90) -> None:
        """Until the API says that it is ready."""
        self.wait_until(self.is_ready, seconds, "the API is not ready")

    def is_ready(self) -> bool:
        """What /health/ready says."""
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/ready", timeout=3) as answer,
        ):
            return bool(answer.status == 200)
        return False

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database itself, beside every proxy."""
        with psycopg.connect(self.postgres.superuser_url("usage_billing"), connect_timeout=5) as connection:
            cursor = connection.execute(statement, values)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def redis(self, db: int = 0) -> Redis:
        """A connection to Valkey itself, beside every proxy."""
        return Redis.from_url(self.valkey.url(db), socket_timeout=5)

    def waiting(self) -> int:
        """How many recordings wait, as the entries in Redis or in the table say."""
        if self.environment.get("USAGE_BILLING_INBOX") == "postgres":
            return int(self.sql("SELECT coalesce(sum(count), 0) FROM inbox_entries")[0][0])
        client = self.redis()
        try:
            streams = [client.xrange(f"usage-billing:inbox:{shard}") for shard in range(8)]
            return sum(int(fields[b"n"]) for stream in streams for _, fields in stream)
        finally:
            client.close()

    def wait_drained(self, seconds: float = 90) -> float:
        """Until nothing waits; returns how long it took."""
        started = time.monotonic()
        self.wait_until(lambda: self.waiting() == 0, seconds, "something waits still")
        return time.monotonic() - started

    def pick_up(self) -> None:
        """Start what has ended, as the supervisor would; the servers first."""
        for name, part in self.parts.items():
            if name in self.wanted and not part.alive():
                self.say("start", f"{name}, which ended by {part.status()}")
                part.start()

    def wait_until(self, condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
        """Poll ``condition``, picking up what ends; AssertionError, with the end of the log, when it does not come
        to pass."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.pick_up()
            if time.monotonic() > deadline:
                raise AssertionError(f"{otherwise} after {seconds:g} s; the log ends:\n{self.tail()}")
            time.sleep(0.1)

    def tail(self, lines: int = 40) -> str:
        """The end of the log of all parts."""
        return "\n".join((self.home / "system.log").read_text(errors="replace").splitlines()[-lines:])


class Valkey(EmbeddedRedis):
    """The embedded one, with another fsync to show what that loses."""

    def __init__(self, home: Path, *, fsync: str) -> None:
        super().__init__(home)
        self.fsync = fsync

    def _command(self, port: int) -> list[str]:
        command = super()._command(port)
        return [*command, "--appendfsync", self.fsync]


def environment_without_ours() -> dict[str, str]:
    """The environment of programs that shall find nothing of the tests' own configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("USAGE_BILLING", "CELERY"))}
