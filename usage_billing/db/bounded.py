"""A connection that gives up on a server that hangs.

The server keeps PostgreSQL's own timeouts. A server that is stopped, or whose network has gone quiet, keeps none, and
its client would wait for ever. This connection ends the waiting on the client's side.
"""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

from usage_billing.core.giving_way import rested

Value = TypeVar("Value")

_poll: Callable[[], Any] = select.poll


def look_by(poll: Callable[[], Any]) -> None:
    """Look at sockets by ``poll`` where that is not to wait: what replaced ``select.poll`` may let others go first."""
    global _poll  # noqa: PLW0603 - how sockets of this process are looked at is a fact of the process.
    _poll = poll


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time."""


class BoundedConnection(psycopg.Connection[TupleRow]):
    """Every round trip takes at most ``seconds``; then the connection is closed and NoAnswer raised.

    The caller then does not know whether the statement was executed, as after any lost answer.
    """

    seconds: int | float = 35
    _answered = 0.0

    def wait(self, gen: PQGen[Value], interval: int | float = 0.1, timeout: int | float | None = None) -> Value:
        """Wait for ``gen`` at most ``seconds``, or ``timeout`` seconds when psycopg gives one; raises NoAnswer."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            found = super().wait(gen, interval, self.seconds)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise NoAnswer(f"the server did not answer within {self.seconds:g} s") from None
        except psycopg.Error:
            raise
        except BaseException:
            # A time limit or a signal struck between a question and its answer. The next question would get the answer.
            self.pgconn.finish()
            raise
        self._answered = time.monotonic()
        rested()
        return found

    def answered_within(self, seconds: float) -> bool:
        """Whether the server's last answer came less than ``seconds`` ago."""
        return time.monotonic() - self._answered < seconds

    def is_silent(self) -> bool:
        """Whether the server has sent nothing unasked, such as a goodbye or the end of the connection."""
        if self.closed:
            return False
        poll = _poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)

    @contextmanager
    def limited(self, seconds: int | float) -> Iterator[None]:
        """Within the block each round trip takes at most ``seconds`` instead."""
        before, self.seconds = self.seconds, seconds
        try:
            yield
        finally:
            self.seconds = before


def bounded(seconds: int | float) -> type[BoundedConnection]:
    """The class of connections whose round trips take at most ``seconds``."""
    return type("BoundedConnection", (BoundedConnection,), {"seconds": seconds})
