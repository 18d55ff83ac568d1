"""gunicorn's threaded worker, whose threads no slow sender or reader can take.

As it comes, a request that arrives byte by byte holds a thread for as long as its sender likes, an answer that is
taken byte by byte for as long as its reader likes, and a few dozen of them hold all. Here a connection gets a thread
once it has sent something; there are as many green ones as there may be connections, and only those whose head has
arrived take turns, of which there are ``--threads``. A request has to arrive in time from its first byte on, and in
less when many do. Working on it may take what it takes. Its turn ends when the answer is made: what is left of the
body is read and thrown away, and the answer written, without one, and each has its time.
"""

import os
import selectors
import socket
import threading
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
# An answer has to be taken whole within this: a page of 1 MiB over a line of 0.3 Mbit/s. In less when many are slow.
TAKING_SECONDS = 30.0
TAKING_SECONDS_WHEN_BUSY = 5.0
# As many answers under way for each turn are many.
MANY_ANSWERS = 4
# A body that the application did not read is read to its end before the answer, up to this: most clients listen
# only when they have sent everything, and an answer followed by a closed connection is lost on them.
UNREAD_BYTES = 64 * 1024 * 1024
UNREAD_SECONDS = 10.0


class Worker(ThreadWorker):  # type: ignore[misc]
    """Cuts off, about once a second, a request that has not arrived and an answer that was not taken in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Connections that threads work on: since when, and the request that was on them before.
        self._at_work: dict[Any, tuple[float, Any]] = {}
        # Connections whose answer is being written: since when.
        self._answering: dict[Any, float] = {}
        self._turns = Turns(self.cfg.threads)
        # What a green thread has in hand: its connection and its turn.
        self._mine = threading.local()
        # The most connections that there were since then.
        self._most, self._since = 0, 0.0
        self._leaves_to_others = False

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """For gunicorn: a green thread costs some kilobytes, and those that wait for a head are many."""
        return ThreadPoolExecutor(self.worker_connections)

    def load_wsgi(self) -> None:
        """Load the application, and have its every call end the turn of its thread."""
        super().load_wsgi()
        self._app: Any = self.wsgi
        self.wsgi: Any = self._work

    def handle_request(self, req: Any, conn: Any) -> Any:
        """In a thread, with a head that has arrived; its body is read in its turn, and has as long again."""
        _, earlier = self._at_work.pop(conn)
        with self._turns.turn() as turn:
            self._at_work[conn] = time.monotonic(), earlier
            self._mine.conn, self._mine.turn = conn, turn
            try:
                return super().handle_request(req, conn)
            finally:
                self._answering.pop(conn, None)

    def _work(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The application's answer, whole; the turn is over when it is made."""
        conn, turn = self._mine.conn, self._mine.turn
        try:
            return self._app(environ, start_response)
        finally:
            turn.give_back()
            self._at_work.pop(conn, None)
            conn.parser.finish_body(deadline=time.monotonic() + UNREAD_SECONDS, max_bytes=UNREAD_BYTES)
            self._answering[conn] = time.monotonic()

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
        at_work, now = list(self._at_work.items()), time.monotonic()
        patience = ARRIVAL_SECONDS_WHEN_BUSY if len(at_work) >= self.cfg.threads else ARRIVAL_SECONDS
        for conn, (since, earlier) in at_work:
            if now - since > patience and not _has_arrived(conn, earlier):
                # The reading thread finds the end there; an answer can still be sent.
                _shut(conn, socket.SHUT_RD)
        answering = list(self._answering.items())
        busy = len(answering) >= MANY_ANSWERS * self.cfg.threads
        for conn, since in answering:
            if now - since > (TAKING_SECONDS_WHEN_BUSY if busy else TAKING_SECONDS):
                _shut(conn, socket.SHUT_RDWR)


def _shut(conn: Any, how: int) -> None:
    """Shut the socket below the green one, which would throw an error into the thread that uses it instead."""
    with suppress(OSError):
        getattr(conn.sock, "_sock", conn.sock).shutdown(how)


def _has_arrived(conn: Any, earlier: Any) -> bool:
    """Whether head and body of the request are read."""
    request = conn.parser and conn.parser.mesg
    if request is None or request is earlier:
        return False
    reader = request.body.reader
    if hasattr(reader, "length"):
        return bool(reader.length == 0)
    return getattr(reader, "parser", None) is None
