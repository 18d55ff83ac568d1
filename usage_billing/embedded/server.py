"""The base of both embedded servers: one process owns the home; one port, a log, a bounded start, an ordered end."""

import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGQUIT, Signals
from types import TracebackType
from typing import ClassVar, Self

from usage_billing.core.errors import Conflict, Unavailable
from usage_billing.embedded import ground as grounds
from usage_billing.embedded import leftovers
from usage_billing.embedded.accounts import hand_over
from usage_billing.embedded.files import write_private
from usage_billing.embedded.locks import FileLock
from usage_billing.embedded.ports import free_port, is_free, noted_port
from usage_billing.supervisor.child import describe
from usage_billing.supervisor.process import Step, end, send, spawn

START_SECONDS = 60.0
LEFTOVER_SECONDS = 15.0
PORT_TRIES = 5
MAX_LOG_BYTES = 10 * 1024 * 1024
TAIL_LINES = 8


class EmbeddedServer(ABC):
    """A server of our own on 127.0.0.1 whose data live in ``home``; a supervisor's part, a context manager.

    ``durable=False`` trades the data's safety for speed: for tests. Of two objects on one home only one
    can run, also across processes; servers of different homes do not disturb each other.
    """

    name: ClassVar[str]
    stop_steps: ClassVar[Sequence[Step]]
    hurry_signal: ClassVar[Signals] = SIGQUIT
    orphan_signal: ClassVar[Signals] = SIGINT

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home = home.absolute()
        self.durable = durable
        self._owner = FileLock(self.home / f"{self.name}.lock")
        self._ground: grounds.Ground | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None
        self._log_start = 0

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; known once started."""
        if self._port is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._port

    @property
    def ground(self) -> grounds.Ground:
        """Where it keeps its files; known once started."""
        if self._ground is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._ground

    @property
    def pid(self) -> int | None:
        """Process id of the last start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it answers; a second call on a running one does nothing.

        Raises Conflict when another process uses the home, ConfigurationError when something is missing,
        Unavailable (with the end of its log) when it does not come up.
        """
        if self.alive():
            return
        if self._process is not None:
            end(self._process, ())
        try:
            self._own()
            self._prepare()
            self._start_on_some_port()
        except BaseException:
            self.stop()
            raise

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def status(self) -> str:
        """How its process ended, in words."""
        return describe(self._process.poll() if self._process else None)

    def stop(self) -> None:
        """End it in order and release the home; the data stay. Does nothing when it is not running."""
        if self._process is not None:
            end(self._process, self.stop_steps)
            self._process = None
        self._owner.release()

    def hasten(self) -> None:
        """End it at once, without grace; the data stay whole."""
        if self._process is not None:
            send(self._process, self.hurry_signal)

    def discard(self) -> None:
        """Stop it and delete its data for good: the end of a test."""
        self.stop()
        if self._ground is not None:
            shutil.rmtree(self._ground.place, ignore_errors=True)
            if not self._ground.inside and not any(self._ground.place.parent.glob("*/")):
                shutil.rmtree(self._ground.place.parent, ignore_errors=True)
                (self.home / grounds.NOTE).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _prepare(self) -> None:
        """Make the data directory at the first start; raises ConfigurationError for data that it cannot serve."""

    @abstractmethod
    def _command(self, port: int) -> list[str]:
        """The command that runs the server in the foreground, listening on ``port``; it contains no password."""

    @abstractmethod
    def _answers(self, port: int) -> bool:
        """Whether the server serves on ``port``: tried by logging in and asking."""

    def _own(self) -> None:
        if not self._owner.held:
            grounds.make_home(self.home)
            if not self._owner.acquire():
                raise Conflict(
                    f"{self.home} is in use by {self._owner.holder()}: stop that one, or give another"
                    " USAGE_BILLING_HOME",
                    code="home_in_use",
                )
        self._ground = grounds.prepare(self.home, self.name)

    def _start_on_some_port(self) -> None:
        """Start on the port of the last start. Other processes have it in their URLs, so a restart waits for it."""
        note = self.ground.place / "port"
        for attempt in range(PORT_TRIES):
            port = self._port or (noted_port(note) if attempt == 0 else None) or free_port()
            if self._port is None and not is_free(port):
                continue
            self._launch(port)
            if self._wait_until_ready(port):
                write_private(note, f"{port}\n")
                self._port = port
                return
        raise Unavailable(f"{self.name} found no free port on 127.0.0.1")

    def _launch(self, port: int) -> None:
        ground, log = self.ground, self.ground.place / "server.log"
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        running = FileLock(ground.place / "running.lock")
        if not running.acquire(seconds=0):
            leftovers.end_leftover(running, ground.data, name=self.name, seconds=LEFTOVER_SECONDS)
        leftovers.forget_stale_pid(ground.data)
        if ground.account is not None:
            hand_over(ground.data, ground.account)
        try:
            log.touch(mode=0o600)
            with log.open("ab") as output:
                self._log_start = output.tell()
                self._process = spawn(
                    self._command(port),
                    env=self._environment(),
                    cwd=ground.place,
                    account=ground.account,
                    on_parent_death=self.orphan_signal,
                    stdout=output,
                    pass_fds=(running.descriptor(),),
                )
        finally:
            running.release()

    def _environment(self) -> dict[str, str]:
        """The server's environment: none of ours, which hold secrets, and no PG* variable, which would steer it."""
        kept = {key: os.environ[key] for key in ("PATH", "LD_LIBRARY_PATH") if key in os.environ}
        return {**kept, "LC_ALL": "C", "TZ": "UTC"}

    def _wait_until_ready(self, port: int) -> bool:
        """True when it answers, False when the port was taken meanwhile; raises Unavailable otherwise."""
        deadline = time.monotonic() + START_SECONDS
        pause = 0.01
        while time.monotonic() < deadline:
            if not self.alive():
                tail = self.log_tail()
                if "ddress already in use" in tail and self._port is None:
                    return False
                raise Unavailable(f"{self.name} ended at its start ({self.status()}):\n{tail}")
            if self._answers(port):
                return True
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        raise Unavailable(f"{self.name} did not answer within {START_SECONDS:g} s:\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines that it wrote since its start."""
        with suppress(OSError), (self.ground.place / "server.log").open("rb") as log:
            log.seek(self._log_start)
            return b"".join(deque(log, maxlen=TAIL_LINES)).decode("utf-8", "replace").rstrip()
        return ""
