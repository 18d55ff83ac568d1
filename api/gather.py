"""Joins the appends of many requests: those that come while an append is under way go together in the next one.

The inbox makes every append durable, and that is what it costs: one for eight requests costs little more than one
for one. Under load it pays to wait a moment for company; a request that comes alone goes alone, and at once.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import Recording

# Far below what a sender notices, and about what a few requests take to get here.
LINGER_SECONDS = 0.001

Append = Callable[[Sequence[Recording]], list[int]]


@dataclass(slots=True, eq=False)
class _Ticket:
    """What one request brings, and what became of it; its turn comes when that is known, or when it shall lead."""

    recordings: Sequence[Recording]
    turn: threading.Event = field(default_factory=threading.Event)
    done: bool = False
    error: Exception | None = None

    def tell(self, error: Exception | None) -> None:
        """None: they are kept."""
        self.error, self.done = error, True
        self.turn.set()


class Gatherer:
    """``append`` as requests see it: it returns when theirs is kept, or raises."""

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
        """Until its turn; a thread that is ended while it waits leaves the queue, and the lead to the next."""
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
        """Append for all who wait; then the first of those who came meanwhile does."""
        tickets = [own]
        try:
            if self._had_company:
                time.sleep(LINGER_SECONDS)
            tickets = self._take()
            self._had_company = len(tickets) > 1
            return self._append_all(tickets)
        finally:
            # A request without an answer here was in the hands of a thread that ended: it may or may not be kept.
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
            # Who came meanwhile has waited as long as an answer may take; another try would take that again.
            tickets += self._take()
            for ticket in tickets:
                ticket.tell(error)
            return []
        except Exception as error:
            if len(tickets) > 1:  # whose fault it is must not be everybody's
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
