"""gunicorn's threaded worker, of whom no slow sender or reader can take the threads.

As it comes, a request that arrives byte by byte holds a thread for as long as its sender likes, and a few dozen of
them hold all. Here a connection gets a thread once it has sent something; there are as many green ones as there may be
connections, and only those whose head has arrived take turns, of which there are ``--threads``. From its first byte on
a request has to arrive in time, and in less when many do. Working on one that has arrived may take what it takes.
"""

import os
import selectors
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import gevent  # type: ignore[import-untyped]
from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from api.turns import Turns

# A batch of 4 MiB over a line of 1 Mbit/s takes that long.
ARRIVAL_SECONDS = 35.0
ARRIVAL_SECONDS_WHEN_BUSY = 1.0
FIRST_BYTE_SECONDS = 15.0
# When connections become more, the next one is left to the other processes for so long, or the first to look takes all
# that come together and works on them alone while they last.
TURN_TO_ACCEPT_SECONDS = 0.002
# More than there were within this: a burst that follows another is divided as well.
REMEMBER_SECONDS = 0.1
# The kernel gives up a client that takes nothing of an answer for so long, or that is gone without a word.
READ_MILLISECONDS = 30_000


class Worker(ThreadWorker):  # type: ignore[misc]
    """Cuts off, about once a second, what has not arrived in time; the sender is answered 400, if anything."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Connections that threads work on: since when, and the request that was on them before.
        self._at_work: dict[Any, tuple[float, Any]] = {}
        self._turns = Turns(self.cfg.threads)
        # The most connections that there were since then.
        self._most, self._since = 0, 0.0
        self._leaves_to_others = False

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """For gunicorn: a green thread costs some kilobytes, and those that wait for a head are many."""
        return ThreadPoolExecutor(self.worker_connections)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """In a thread, with a head that has arrived; its body is read in its turn, and has as long again."""
        _, earlier = self._at_work.pop(conn)
        with self._turns.turn():
            self._at_work[conn] = time.monotonic(), earlier
            return super().handle_request(req, conn)

    def accept(self, listener: Any) -> None:
        """In the main loop, when a connection may be there: take it, and let the other processes take one.

        Those of senders who open one for each request take the place of others, and nothing waits for them.
        """
        now = time.monotonic()
        if now - self._since > REMEMBER_SECONDS:
            self._most, self._since = self.nr_conns, now
        super().accept(listener)
        if self.nr_conns > self._most and self.cfg.workers > 1:
            self._most = self.nr_conns
            self._leaves_to_others = True
            self.set_accept_enabled(False)
            gevent.spawn_later(TURN_TO_ACCEPT_SECONDS, self.method_queue.defer, self._accept_again)

    def _accept_again(self) -> None:
        self._leaves_to_others = False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Asked for by gunicorn before it waits for what comes next."""
        super().set_accept_enabled(enabled and not self._leaves_to_others)

    def enqueue_req(self, conn: Any) -> None:
        """A new connection waits without a thread until there is something to read."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        if conn.sock.family in {socket.AF_INET, socket.AF_INET6}:
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, READ_MILLISECONDS)
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + FIRST_BYTE_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle_quit(self, sig: int, frame: Any) -> None:
        """End in order, as on TERM.

        gunicorn would raise SystemExit here, and with green threads *here* is whichever of them computes: a request
        in the midst of its work, and of that of others.
        """
        self.handle_exit(sig, frame)

    def handle_abort(self, _sig: int, _frame: Any) -> None:
        """gunicorn's main process has given this one up: end at once, for the same reason without raising."""
        os._exit(1)

    def handle(self, conn: Any) -> Any:
        """In a thread: read a request, work on it, answer."""
        self._at_work[conn] = time.monotonic(), conn.parser and conn.parser.mesg
        try:
            return super().handle(conn)
        finally:
            self._at_work.pop(conn, None)

    def murder_pending(self) -> None:
        """In the main loop, at least once a second."""
        super().murder_pending()
        at_work = list(self._at_work.items())
        patience = ARRIVAL_SECONDS_WHEN_BUSY if len(at_work) >= self.cfg.threads else ARRIVAL_SECONDS
        for conn, (since, earlier) in at_work:
            if time.monotonic() - since > patience and not _has_arrived(conn, earlier):
                # Who reads finds the end there; an answer can still be sent. Asked of the socket below the green one,
                # which would throw an error into the reader instead.
                with suppress(OSError):
                    getattr(conn.sock, "_sock", conn.sock).shutdown(socket.SHUT_RD)


def _has_arrived(conn: Any, earlier: Any) -> bool:
    """Whether head and body of the request are read."""
    request = conn.parser and conn.parser.mesg
    if request is None or request is earlier:
        return False
    reader = request.body.reader
    if hasattr(reader, "length"):
        return bool(reader.length == 0)
    return getattr(reader, "parser", None) is None
