"""What an earlier server left behind when its supervisor was killed: a process still ending, a stale pid file."""

import os
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGQUIT, Signals

from usage_billing.core.errors import Conflict
from usage_billing.embedded.locks import FileLock

KILL_SECONDS = 5.0
PROCESSES = Path("/proc")


def end_leftover(running: FileLock, data: Path, *, name: str, seconds: float) -> None:
    """Take ``running``, which a server of an earlier start still holds.

    The kernel told that server to end when its parent died, so it gets ``seconds`` to do so. Then it gets SIGQUIT, then
    SIGKILL. Two servers on one folder would destroy its data: raises Conflict when the lock is not to be had.
    """
    if running.acquire(seconds=seconds):
        return
    for signal in (SIGQUIT, SIGKILL):
        _signal_users_of(data, signal)
        if running.acquire(seconds=KILL_SECONDS):
            return
    raise Conflict(f"an earlier {name} still runs on {data} and does not end", code="home_in_use")


def kill_holders(lock: Path) -> None:
    """Send SIGKILL to every other process that has ``lock`` open: an earlier start left it, and it does not end.

    Such is a worker that waits for a Redis which ended before it. Nothing is lost: its work is done again.
    """
    for entry in PROCESSES.glob("[0-9]*/fd/*"):
        pid = int(entry.parts[-3])
        with suppress(OSError):
            if pid != os.getpid() and entry.readlink() == lock.resolve():
                os.kill(pid, SIGKILL)


def forget_stale_pid(data: Path) -> None:
    """Remove PostgreSQL's pid file when its process has ended, or when another program has that process id by now.

    PostgreSQL removes the file itself in the first case. In the second it takes any living process of the same account
    for a server and refuses to start.
    """
    pid_file = data / "postmaster.pid"
    with suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        if PROCESSES.is_dir() and _working_directory(pid) != data.resolve():
            pid_file.unlink()


def _signal_users_of(data: Path, signal: Signals) -> None:
    """Signal every process whose working directory is ``data``: PostgreSQL and Valkey both go there."""
    for entry in PROCESSES.glob("[0-9]*"):
        if int(entry.name) != os.getpid() and _working_directory(int(entry.name)) == data.resolve():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal)


def _working_directory(pid: int) -> Path | None:
    with suppress(OSError):
        return (PROCESSES / str(pid) / "cwd").readlink()
    return None
