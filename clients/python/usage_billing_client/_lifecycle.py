"""What happens when a process exits or forks: at the exit all is sent or kept, and a fork shares nothing."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
from typing import Protocol


class Client(Protocol):
    """A client that is told of the exit and of forks."""

    def close(self) -> None: ...
    def _renew(self) -> None: ...


_open: list[Client] = []
_hooked_pid = 0
_imported_in = os.getpid()


def track(client: Client) -> None:
    """Close ``client`` when the process ends; renew it in the child when the process forks."""
    _open.append(client)


def untrack(client: Client) -> None:
    """Forget ``client``: it was closed."""
    if client in _open:
        _open.remove(client)


def on_first_use() -> None:
    """Register for the end of a process of ``multiprocessing``, which runs no atexit functions."""
    global _hooked_pid  # noqa: PLW0603 (a process has one end)
    if _hooked_pid == os.getpid():
        return
    _hooked_pid = os.getpid()
    if multiprocessing.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _close_all, exitpriority=10)


def is_child() -> bool:
    """Whether another program started this process as its child, and may end it without a word at any moment.

    Pools of ``multiprocessing`` do so in ``terminate``, Celery when it recycles its processes.
    """
    if multiprocessing.parent_process() is not None or os.getpid() != _imported_in:
        return True
    billiard = sys.modules.get("billiard.process")  # Celery's own multiprocessing
    return billiard is not None and billiard.current_process().name != "MainProcess"


def _close_all() -> None:
    for client in list(_open):
        client.close()


def _renew_all() -> None:
    for client in list(_open):
        client._renew()


atexit.register(_close_all)
if sys.platform != "win32":
    os.register_at_fork(after_in_child=_renew_all)
