"""A real Celery worker, to be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Worker:
    """``celery worker`` as ``usage-billing up`` starts it, and the processes that it forks.

    ``environment`` is what it is told otherwise than this process.
    """

    def __init__(self, queues: str, **environment: str) -> None:
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "tasks.celery", "worker", "-P", "prefork"]
        self.process = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "-c", "2", "-Q", queues],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
            stderr=subprocess.DEVNULL,
        )

    def children(self) -> list[int]:
        """The processes that work."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def kill_everything(self) -> None:
        """As the kernel does when memory is out, or a machine when it is switched off."""
        with suppress(OSError):
            forked = self.children()
            self.process.kill()
            for pid in forked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait(10)


def until(condition: Callable[[], object], *, seconds: float = 90) -> None:
    """Wait for it."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.05)
