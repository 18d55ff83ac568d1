"""Spawning and ending one process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the machine that a process runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of ending a process: send ``signal``, then wait up to ``seconds`` for it to go."""

    signal: signal.Signals
    seconds: float


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    account: Account | None = None,
    on_parent_death: signal.Signals = signal.SIGTERM,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start ``command`` (absolute program path first) in a session of its own, stderr joined to stdout.

    Its own session keeps a Ctrl-C at the terminal from it: the supervisor ends it, in order. When the *thread* that
    called this ends, the kernel sends the process ``on_parent_death``, so call it from the main thread. To run it as
    another ``account`` needs root.
    """
    uid, gid = (str(account.uid), str(account.gid)) if account else ("-", "-")
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(int(on_parent_death)), str(os.getpid()), uid, gid]
    return subprocess.Popen(
        [*launcher, *command],
        env=dict(env),
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def end(process: subprocess.Popen[bytes], steps: Sequence[Step]) -> int:
    """End ``process`` by ``steps``, then by SIGKILL to all of its session; returns its exit status."""
    for step in steps:
        if process.poll() is None:
            send(process, step.signal)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=step.seconds)
    kill_session(process)  # even if it has ended: processes that it forked must not outlive it
    return process.wait()


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Send SIGKILL to the process and to those that it forked, but for those that made a session of their own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process itself; one that has just ended is no error."""
    with suppress(ProcessLookupError):
        process.send_signal(number)
