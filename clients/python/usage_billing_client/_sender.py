"""The thread that sends. It starts late, so that a process that forks or never records has none."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from usage_billing_client._backlog import Backlog
from usage_billing_client._delivery import Delivery
from usage_billing_client._refusals import Refusals
from usage_billing_client._reporting import Notices, log
from usage_billing_client._store import Parcel

_AFTER_A_MISTAKE = 1.0


class Sender:
    """Takes parcels and delivers them, until stopped."""

    def __init__(self, backlog: Backlog, delivery: Delivery, refusals: Refusals, *, notices: Notices) -> None:
        self._backlog = backlog
        self._delivery = delivery
        self._refusals = refusals
        self._notices = notices
        self._stopped = threading.Event()
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None

    @property
    def running(self) -> bool:
        """Whether anything will be sent."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self) -> None:
        """Start the thread, if it does not run yet. Does not raise."""
        if self._thread is not None or self._stopped.is_set():
            return
        with self._starting:
            if self._thread is None:
                # Noted before it starts: a signal handler that records in between must not start another.
                self._thread = threading.Thread(target=self._run, name="usage-billing-client", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:  # no threads to be had, or the interpreter is about to end
                    self._thread = None
                    self._notices.say("thread", logging.ERROR, "usage is kept and not sent: %s", error)

    def stop(self, *, within: float) -> None:
        """End the thread; gives up on it after ``within`` seconds. What it had under way stays in ``Backlog``."""
        self._stopped.set()
        self._backlog.stop()
        self._delivery.stop()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            with suppress(RuntimeError):
                thread.join(within)

    def _run(self) -> None:
        while not self._stopped.is_set():
            parcel = None
            try:
                parcel = self._backlog.take()
                if parcel is not None:
                    self._send(parcel)
            except Exception:
                # A mistake of this client must neither end the sending nor lose the parcel under way.
                log.exception("a mistake in the usage client; what was under way will be sent again")
                if parcel is not None:
                    self._backlog.give_back(parcel, parcel.lines)
                self._stopped.wait(_AFTER_A_MISTAKE)

    def _send(self, parcel: Parcel) -> None:
        rest = self._delivery.deliver(parcel.lines, patient=not parcel.from_memory)
        if rest and (parcel.from_memory or self._stopped.is_set()):
            self._backlog.give_back(parcel, rest)
        elif rest and not self._backlog.put_behind(parcel, rest):
            self._stopped.wait(_AFTER_A_MISTAKE)
        else:
            for line in parcel.broken:
                self._refusals.add_broken(line)
            if not rest:
                self._backlog.settle(parcel)
