"""Processes by their ids: who is whose child, and signals to all of a tree."""

import os
import signal
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """The processes that ``pid`` forked and that still run."""
    found: list[int] = []
    with suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def tree(pid: int) -> list[int]:
    """``pid`` and all its descendants."""
    return [pid, *(below for child in children(pid) for below in tree(child))]


def send(pids: list[int], number: signal.Signals) -> int:
    """Signal each of ``pids`` that is there; returns how many were."""
    reached = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            reached += 1
    return reached
