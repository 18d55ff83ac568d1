"""Joins the appends of many requests: those that come while an append is under way go together in the next one.

Making an append durable is most of its cost, so an append for eight requests costs little more than one for a single
request. Under load a request waits a moment for others to join; a request that comes alone is appended at once.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import Recording

# Far below what a sender notices, and about the time in which a few more requests arrive.
LINGER_SECONDS = 0.001

Append = Callable[[Sequence[Recording]], list[int]]


@dataclass(slots=True, eq=False)
class _Ticket:
    """The recordings of a request and their outcome. ``turn`` is set when that is known or the request shall lead."""

    recordings: Sequence[Recording]
    turn: threading.Event = field(default_factory=threading.Event)
    done: bool = False
    error: Exception | None = None

    def tell(self, error: Exception | None) -> None:
        """Tell the request its outcome: None when its recordings are kept, else the error."""
        self.error, self.done = error, True
        self.turn.set()


class Gatherer:
    """Joins the appends of requests; each :meth:`append` returns when its own recordings are kept, or raises."""

    def __init__(self, append: Append) -> None:
        self._append = append
        self._queue = threading.Lock()
        self._waiting: list[_Ticket] = []
        self._led = False
        self._had_company = False

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """Keep all of ``recordings`` or none, as the inbox does; returns the shards that this caller shall wake."""
        ticket = _Ticket(recordings)
        with self._queue:
            self._waiting.append(ticket)
            follows, self._led = self._led, True
        if follows:
            self._wait(ticket)
        asleep = [] if ticket.done else self._lead(ticket)
        if isinstance(ticket.error, Unavailable):
            raise Unavailable(ticket.error.message, code=ticket.error.code) from ticket.error
        if ticket.error is not None:
            raise ticket.error
        return asleep

    def _wait(self, ticket: _Ticket) -> None:
        """Wait for the turn of ``ticket``. A thread that is ended meanwhile leaves the queue and passes the lead on."""
        try:
            ticket.turn.wait()
        except BaseException:
            with self._queue:
                if ticket.turn.is_set() and not ticket.done:
                    self._hand_over()
                elif ticket in self._waiting:
                    self._waiting.remove(ticket)
            raise

    def _lead(self, own: _Ticket) -> list[int]:
        """Append for all waiting requests, then pass the lead to the first that came meanwhile."""
        tickets = [own]
        try:
            if self._had_company:
                time.sleep(LINGER_SECONDS)
            tickets = self._take()
            self._had_company = len(tickets) > 1
            return self._append_all(tickets)
        finally:
            # The thread that appended these ended before it could tell: they may be kept or not.
            for ticket in tickets:
                if not ticket.done:
                    ticket.tell(Unavailable("this process is ending; try again", code="inbox_unavailable"))
            with self._queue:
                self._hand_over()

    def _hand_over(self) -> None:
        self._waiting = [ticket for ticket in self._waiting if not (ticket.done or ticket.turn.is_set())]
        self._led = bool(self._waiting)
        if self._led:
            self._waiting[0].turn.set()

    def _append_all(self, tickets: list[_Ticket]) -> list[int]:
        try:
            asleep = self._append([recording for ticket in tickets for recording in ticket.recordings])
        except Unavailable as error:
            # Requests that came meanwhile have waited as long as an answer may take, and a try of their own would take
            # that long again: they fail too.
            tickets += self._take()
            for ticket in tickets:
                ticket.tell(error)
            return []
        except Exception as error:
            if len(tickets) > 1:  # a fault of one request must not fail the others
                return [shard for ticket in tickets for shard in self._append_all([ticket])]
            tickets[0].tell(error)
            return []
        for ticket in tickets:
            ticket.tell(None)
        return asleep

    def _take(self) -> list[_Ticket]:
        with self._queue:
            tickets, self._waiting = self._waiting, []
        return tickets
