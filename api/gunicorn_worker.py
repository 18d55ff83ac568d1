"""gunicorn's threaded worker, whose threads slow senders and readers cannot take.

In gunicorn itself, a request that arrives byte by byte holds a thread for as long as its sender likes, and so does an
answer for as long as its reader likes: a few dozen of them hold all threads. Here a connection gets a green thread once
it has sent something, and there are as many of those as there may be connections. Only a request whose head has arrived
takes a turn, and there are ``--threads`` turns.

A request must arrive whole in time from its first byte on, and in less time when many arrive. Work on it has no limit
here. The turn ends when the answer is made, or, if it is a stream, begun. The worker then reads and discards the rest
of the body and writes the answer without a turn; each of the two has a limit of its own.
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

from api.ingest.native import GIVEN_TWICE, HEADER, IN_ENVIRON
from api.taking import Taking
from api.turns import Turns

# Seconds for a request to arrive: a batch of 4 MiB takes that long over a line of 1 Mbit/s.
ARRIVAL_SECONDS = 35.0
ARRIVAL_SECONDS_WHEN_BUSY = 1.0
FIRST_BYTE_SECONDS = 15.0
# Seconds for which this process leaves the next connection to the others, when connections become more. Otherwise the
# first process to look takes a whole burst, and works on it alone.
TURN_TO_ACCEPT_SECONDS = 0.002
# Seconds over which the highest number of connections is remembered, so that a burst after a burst is divided too.
REMEMBER_SECONDS = 0.1
# Milliseconds after which the kernel gives up a client that takes nothing of an answer or has gone silently.
READ_MILLISECONDS = 30_000
# Seconds that a client may be behind in taking an answer: those of a page of 1 MiB over a line of 0.3 Mbit/s. Fewer
# when many are slow.
TAKING_SECONDS = 30.0
TAKING_SECONDS_WHEN_BUSY = 5.0
# Answers under way for each turn from which on they count as many.
MANY_ANSWERS = 4
# Bytes of a body that the application did not read, which the worker reads before it answers. Most clients listen only
# when they have sent everything; they would miss an answer that is followed by a closed connection.
UNREAD_BYTES = 64 * 1024 * 1024
UNREAD_SECONDS = 10.0
# Bytes of it after which other requests get their turn. gunicorn reads 1 KiB at a time and copies up to 1 MiB at each,
# which takes a third of a second of CPU for 6 MiB, in which no other request of the process is answered.
UNREAD_AT_ONCE = 64 * 1024


class Worker(ThreadWorker):  # type: ignore[misc]
    """Ends, about once a second, connections whose request has not arrived or whose answer was not taken in time."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Connections that threads work on: since when (monotonic seconds), and the request before this one.
        self._at_work: dict[Any, tuple[float, Any]] = {}
        # Connections whose answer is being written, and how far that is.
        self._answering: dict[Any, Taking] = {}
        self._turns = Turns(self.cfg.threads)
        # The connection and the turn of each green thread.
        self._mine = threading.local()
        # The highest number of connections since ``_since`` (monotonic seconds).
        self._most, self._since = 0, 0.0
        self._leaves_to_others = False

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """A thread for each connection that there may be: a green thread costs some kilobytes. gunicorn calls this."""
        return ThreadPoolExecutor(self.worker_connections)

    def load_wsgi(self) -> None:
        """Load the application, wrapped so that each call ends the turn of its thread."""
        super().load_wsgi()
        self._app: Any = self.wsgi
        self.wsgi: Any = self._work

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Take a turn, read the body and answer. Called in a thread once the head is there; the body gets as long."""
        _, earlier = self._at_work.pop(conn)
        with self._turns.turn() as turn:
            self._at_work[conn] = time.monotonic(), earlier
            self._mine.conn, self._mine.turn = conn, turn
            try:
                return super().handle_request(req, conn)
            finally:
                self._answering.pop(conn, None)

    def _work(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The whole answer of the application; the turn ends when it is made."""
        conn, turn = self._mine.conn, self._mine.turn
        if "," in environ.get(IN_ENVIRON, ""):
            given = sum(name == HEADER.upper() for name, _ in conn.parser.mesg.headers)
            environ |= {GIVEN_TWICE: HEADER} if given > 1 else {}
        answer: Any = ()
        try:
            answer = self._app(environ, start_response)
        finally:
            turn.give_back()
            self._at_work.pop(conn, None)
            _discard_body(conn)
            taking = self._answering[conn] = Taking(answer)
        return answer if isinstance(answer, environ["wsgi.file_wrapper"]) else taking

    def accept(self, listener: Any) -> None:
        """Take a waiting connection; when connections become more, leave the next one to the other processes.

        A sender that opens a connection for each request closes the one before, so the number stays and none is left.
        The main loop calls this.
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
        """Watch for new connections, but not while the next one is left to other processes. gunicorn calls this."""
        super().set_accept_enabled(enabled and not self._leaves_to_others)

    def enqueue_req(self, conn: Any) -> None:
        """Let a new connection wait without a thread until there is something to read."""
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

        gunicorn would raise SystemExit, and it would hit the green thread that computes at this moment: a request in
        the middle of its work.
        """
        self.handle_exit(sig, frame)

    def handle_abort(self, _sig: int, _frame: Any) -> None:
        """End at once: gunicorn's main process has given this one up. It raises nothing, for the reason of a quit."""
        os._exit(1)

    def handle(self, conn: Any) -> Any:
        """Read a request, work on it, answer. Called in a thread."""
        self._at_work[conn] = time.monotonic(), conn.parser and conn.parser.mesg
        try:
            return super().handle(conn)
        finally:
            self._at_work.pop(conn, None)

    def murder_pending(self) -> None:
        """End connections that took too long. The main loop calls this at least once a second."""
        super().murder_pending()
        at_work, now = list(self._at_work.items()), time.monotonic()
        patience = ARRIVAL_SECONDS_WHEN_BUSY if len(at_work) >= self.cfg.threads else ARRIVAL_SECONDS
        for conn, (since, earlier) in at_work:
            if now - since > patience and not _has_arrived(conn, earlier):
                # The reading thread finds the end of the stream; it can still send an answer.
                _shut(conn, socket.SHUT_RD)
        answering = list(self._answering.items())
        busy = len(answering) >= MANY_ANSWERS * self.cfg.threads
        for conn, taking in answering:
            if taking.behind() > (TAKING_SECONDS_WHEN_BUSY if busy else TAKING_SECONDS):
                _shut(conn, socket.SHUT_RDWR)


def _discard_body(conn: Any) -> None:
    """Read what the application left of a body, within ``UNREAD_BYTES`` and ``UNREAD_SECONDS``; the rest stays unread.

    Raises gunicorn's errors for chunks that are none, and OSError for a connection that broke.
    """
    body, sock = conn.parser.mesg.body, conn.sock
    if body.failed:
        return
    deadline, most, patience = time.monotonic() + UNREAD_SECONDS, UNREAD_BYTES, sock.gettimeout()
    try:
        while most > 0 and (seconds := deadline - time.monotonic()) > 0:
            sock.settimeout(seconds)
            data = body.read(UNREAD_AT_ONCE)
            if not data:
                return
            most -= len(data)
            gevent.sleep(0)
    except TimeoutError:
        return
    finally:
        with suppress(OSError):
            sock.settimeout(patience)


def _shut(conn: Any, how: int) -> None:
    """Shut the system's socket: shutting the green one would raise an error in the thread that uses it."""
    with suppress(OSError):
        getattr(conn.sock, "_sock", conn.sock).shutdown(how)


def _has_arrived(conn: Any, earlier: Any) -> bool:
    """Whether both head and body of the request have been read."""
    request = conn.parser and conn.parser.mesg
    if request is None or request is earlier:
        return False
    reader = request.body.reader
    if hasattr(reader, "length"):
        return bool(reader.length == 0)
    return getattr(reader, "parser", None) is None
