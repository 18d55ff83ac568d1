"""Sending wake-ups in the background, so that no request waits for a broker that hangs.

A wake-up is a hint: one that cannot be sent now is sent later or never, and a sweep finds what there is to do.
"""

import logging
import threading
from collections.abc import Callable

_MOST = 1000

_log = logging.getLogger(__name__)


class Waker:
    """Sends each wake-up once, in the order asked for; asking twice for one that still waits is asking once."""

    def __init__(self, send: Callable[[str, object], None]) -> None:
        self._send = send
        self._waiting: dict[tuple[str, object], None] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def wake(self, task: str, argument: object) -> None:
        """Ask for a wake-up; returns at once. When too many wait, this one is dropped."""
        with self._changed:
            if len(self._waiting) < _MOST:
                self._waiting[task, argument] = None
            # Started with the first wake-up: a thread does not survive the fork of a server that loads the app early.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="wake-ups", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until every wake-up asked for was sent; False if that took longer than ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout=seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                task, argument = next(iter(self._waiting))
            self._send_or_give_up(task, argument)
            with self._changed:
                del self._waiting[task, argument]
                self._changed.notify_all()

    def _send_or_give_up(self, task: str, argument: object) -> None:
        """Try twice: after a restart of the broker the first try finds its connection dead."""
        for last in (False, True):
            try:
                self._send(task, argument)
            except Exception as error:
                if last:
                    reason = type(error).__name__
                    _log.warning("no wake-up could be sent, the sweep will: %s", reason, extra={"task": task})
            else:
                return
