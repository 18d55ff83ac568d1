"""What other processes do, and waiting for it."""

import time
from collections.abc import Callable
from pathlib import Path


def wait_until(
    condition: Callable[[], bool], seconds: float = 20, *, why: Callable[[], str] = str, every: float = 0.05
) -> None:
    """Look ``every`` so many seconds; fail, with ``why``, when it does not come to pass in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why() or "it did not come to pass"
        time.sleep(every)


def gone(pid: int) -> bool:
    """Whether the process has ended; a zombie, which its parent has not waited for yet, has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
