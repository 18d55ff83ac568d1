"""Appends of many requests as one: whoever comes while one is under way goes with the next, all together.

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


@dataclass(slots=True)
class _Ticket:
    """What one request brings, and what became of it; its turn comes when that is known, or when it shall lead."""

    recordings: Sequence[Recording]
    turn: threading.Event = field(default_factory=threading.Event)
    done: bool = False
    error: Exception | None = None


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
            ticket.turn.wait()
        asleep = [] if ticket.done else self._lead()
        if isinstance(ticket.error, Unavailable):
            raise Unavailable(ticket.error.message, code=ticket.error.code) from ticket.error
        if ticket.error is not None:
            raise ticket.error
        return asleep

    def _lead(self) -> list[int]:
        """Append for all who wait; then the first of those who came meanwhile does."""
        try:
            if self._had_company:
                time.sleep(LINGER_SECONDS)
            tickets = self._take()
            self._had_company = len(tickets) > 1
            return self._append_all(tickets)
        finally:
            with self._queue:
                self._led = bool(self._waiting)
                if self._led:
                    self._waiting[0].turn.set()

    def _append_all(self, tickets: list[_Ticket]) -> list[int]:
        try:
            return self._append([recording for ticket in tickets for recording in ticket.recordings])
        except Unavailable as error:
            # Who came meanwhile has waited as long as an answer may take; another try would take that again.
            tickets += self._take()
            for ticket in tickets:
                ticket.error = error
            return []
        except Exception as error:
            if len(tickets) > 1:  # whose fault it is must not be everybody's
                return [shard for ticket in tickets for shard in self._append_all([ticket])]
            tickets[0].error = error
            return []
        finally:
            for ticket in tickets:
                ticket.done = True
                ticket.turn.set()

    def _take(self) -> list[_Ticket]:
        with self._queue:
            tickets, self._waiting = self._waiting, []
        return tickets
