"""What runs behind a client in a process; a child gets an engine of its own after a fork."""

from __future__ import annotations

import logging
import os
import time

from usage_billing_client import _lifecycle as lifecycle
from usage_billing_client._backlog import Backlog
from usage_billing_client._delivery import Delivery
from usage_billing_client._immediate import Immediate
from usage_billing_client._options import Setup
from usage_billing_client._refusals import Refusals
from usage_billing_client._reporting import Notices, Stats, Tally, log
from usage_billing_client._sender import Sender
from usage_billing_client._spill import Spill, with_files_of_before
from usage_billing_client._store import Store
from usage_billing_client._transport import Transport

_JOIN_SECONDS = 1.0
_MAY_VANISH = (
    "usage is recorded in a child process without a folder: what is not sent when the process is terminated is lost "
    "(name a folder: spill=...)"
)


class Engine:
    """Queue, files, connection and thread, put together."""

    def __init__(self, setup: Setup) -> None:
        tuning = setup.tuning
        self.setup = setup
        self.users = 0
        self.pid = os.getpid()
        self.tally = Tally()
        self._notices = notices = Notices()
        self._spill = _open_spill(setup, notices)
        self._transport = Transport(setup.target, setup.headers, tls=setup.tls)
        folder = self._spill.folder if self._spill is not None else None
        refusals = Refusals(folder, setup, tally=self.tally, notices=notices)
        ahead = lifecycle.is_child() if setup.write_ahead is None else setup.write_ahead
        self._may_vanish = ahead and self._spill is None
        store = Store(self._spill, tuning, write_ahead=ahead, tally=self.tally, notices=notices)
        self._backlog = Backlog(store, tuning)
        self._refusals = refusals
        self._delivery = Delivery(self._transport, tuning, refusals=refusals, tally=self.tally, notices=notices)
        self._sender = Sender(self._backlog, self._delivery, refusals, notices=notices)
        self.immediate = Immediate(setup)

    def record(self, line: bytes) -> bool:
        """Take in one recording; False if it is lost."""
        self.tally.add("recorded")
        if self._may_vanish:
            self._notices.say("vanish", logging.WARNING, "%s", _MAY_VANISH)
        kept = self._backlog.put(line)
        self._sender.start()
        return kept

    def flush(self, timeout: float) -> bool:
        """Wait until everything recorded so far is settled, and all that dead processes left.

        Returns False if it was not within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        if self.has_leftovers:
            self.start()
        return self._backlog.wait_settled(deadline)

    def close(self, timeout: float) -> None:
        """Send what waits, for ``timeout`` seconds at most; write the rest to the file. Not to be used twice."""
        deadline = time.monotonic() + timeout
        if self.has_leftovers:  # of children, which have ended by now
            self.start()
        self._backlog.wait_settled(deadline, until=self._pointless)
        self._sender.stop(within=max(_JOIN_SECONDS, deadline - time.monotonic()))
        lost = self._backlog.rescue()
        if lost:
            self.tally.add("dropped", lost)
            log.error("%d recordings are LOST: the service was away at the end, and no file to keep them in", lost)
        self._transport.close()
        self.immediate.close()

    def use_key(self, api_key: str) -> None:
        """Go on with another key, and take along what waits in the folder of the last one. Raises ValueError."""
        setup = self.setup.with_key(api_key)
        self.setup = self.immediate.setup = setup
        self._transport.headers = setup.headers
        if self._spill is not None and setup.folder is not None:
            try:
                self._backlog.move_to(setup.folder)
                self._refusals.folder = setup.folder
            except OSError as error:
                log.error("what waits stays in %s, the folder of the last key: %s", self._spill.folder, error)
        self._delivery.hurry()

    def abandon(self) -> None:
        """Drop the parent's queue, files and connection untouched, in a child after a fork: the parent uses them."""
        if self._spill is not None:
            self._spill.release()
        self._transport.abandon()
        self.immediate.abandon()

    @property
    def has_leftovers(self) -> bool:
        """Whether files of a dead process wait to be sent."""
        return self._backlog.look_for_leftovers()

    def start(self) -> None:
        """Start sending."""
        self._sender.start()

    @property
    def stats(self) -> Stats:
        """The counts at this moment."""
        return self.tally.snapshot(waiting=self._backlog.count)

    def _pointless(self) -> bool:
        """Whether waiting longer at the end is useless: the service is away and all recordings are in the file."""
        return not self._sender.running or (self._delivery.away and self._spill is not None)


def _open_spill(setup: Setup, notices: Notices) -> Spill | None:
    if setup.folder is None:
        return None
    tuning = setup.tuning
    for folder in with_files_of_before(setup.folder):
        log.warning(
            "usage of an earlier version of this client waits in %s, and is not sent: if it was recorded with the key "
            "of this client, move its spill-* files to %s",
            folder,
            setup.folder,
        )
    try:
        return Spill(
            setup.folder,
            max_bytes=tuning.spill_bytes,
            segment_bytes=tuning.segment_bytes,
            adopt_every=tuning.adopt_every,
            fsync=setup.fsync,
        )
    except OSError as error:
        notices.say(
            "folder",
            logging.ERROR,
            "usage that cannot be sent is kept in memory only, for there is no folder for it: %s (name one: spill=...)",
            error,
        )
        return None
