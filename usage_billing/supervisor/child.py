"""A child process whose output is read line by line."""

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals
from typing import IO, Protocol

from usage_billing.supervisor.process import Step, end, kill_session, spawn

MAX_LINE = 8192  # bytes; a longer line is shown in pieces
DRAIN_SECONDS = 2.0

Say = Callable[[str, str], None]
"""``say(name, line)``: show one line of what ``name`` has to tell."""


class Part(Protocol):
    """Something that a supervisor starts, watches and stops."""

    @property
    def name(self) -> str:
        """Its name in messages to people."""

    def start(self) -> None:
        """Start it; returns when others may rely on it. Called again after it has died."""

    def alive(self) -> bool:
        """Whether it runs."""

    def status(self) -> str:
        """How it ended, for a person: ``exit status 1``, ``signal SIGKILL``."""

    def stop(self) -> None:
        """End it in order. Afterwards none of its processes is left, even if it died by itself before."""

    def hasten(self) -> None:
        """Make a :meth:`stop` that waits come to its end now. Only sends a signal: safe in a signal handler."""


@dataclass(eq=False)
class Child:
    """One command under watch; its output goes to ``say`` line by line.

    ``holds`` are open files that it shall hold as long as it lives, such as a lock.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    say: Say
    cwd: Path | None = None
    stop_seconds: float = 15.0
    holds: Sequence[int] = ()

    def __post_init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the last start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the command and return at once; leftovers of an earlier start are ended first."""
        if self._process is not None:
            end(self._process, ())
        self._process = spawn(self.command, env=self.env, cwd=self.cwd, stdout=subprocess.PIPE, pass_fds=self.holds)
        assert self._process.stdout is not None  # noqa: S101  for mypy: we asked for a pipe
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=f"output of {self.name}", daemon=True
        )
        self._reader.start()

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def status(self) -> str:
        """How the last run ended."""
        return describe(self._process.poll() if self._process else None)

    def stop(self) -> None:
        """Send SIGTERM; if it takes longer than ``stop_seconds`` to end, send SIGKILL to its whole session."""
        if self._process is None:
            return
        end(self._process, (Step(SIGTERM, self.stop_seconds),))
        if self._reader is not None:
            self._reader.join(timeout=DRAIN_SECONDS)

    def hasten(self) -> None:
        """Send SIGKILL to its whole session."""
        if self._process is not None:
            kill_session(self._process)

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in iter(lambda: stream.readline(MAX_LINE), b""):
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    self.say(self.name, text)


def describe(status: int | None) -> str:
    """An exit status in words; ``status`` is None while the process runs, negative for a signal."""
    if status is None:
        return "not ended"
    if status >= 0:
        return f"exit status {status}"
    return f"signal {Signals(-status).name}"
