"""Sends what is due: claims deliveries, carries them side by side, and notes what became of each.

No transaction is open while an endpoint is waited for. An endpoint that hangs keeps one thread of its own and delays no
other; what it still holds when a turn ends is noted in the next turn of the same process, or claimed by another process
when its lease has run out.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from usage_billing.core import crash
from usage_billing.core.clock import utc_now
from usage_billing.db.session import transaction
from usage_billing.flows.delivering.make_attempt import running_for
from usage_billing.flows.delivering.note_attempts import note_attempts
from usage_billing.flows.delivering.parcels import Carrier, Parcel
from usage_billing.webhooks.claims import claim, release
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.retries import LEAST_JITTER, MOST_JITTER
from usage_billing.webhooks.sharing import AT_ONCE, Threads

PATIENCE = timedelta(seconds=1)
"""For how long a turn waits for endpoints when nothing else is left: a process has other work too."""

_IN_HAND = 128
_LOOK = timedelta(milliseconds=50)


@dataclass(slots=True)
class Courier:
    """What one process sends by ``carrier``; it is kept from turn to turn."""

    engine: Engine
    carrier: Carrier
    now: Callable[[], datetime] = utc_now
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "courier"))
    _queue: list[Parcel] = field(default_factory=list)
    _running: dict[Future[Sequence[Attempt]], tuple[Parcel, timedelta]] = field(default_factory=dict)
    _slow: set[str] = field(default_factory=set)

    def turn(
        self, length: timedelta, *, patience: timedelta = PATIENCE, stopping: Callable[[], bool] = lambda: False
    ) -> int:
        """Send what is due until nothing is left or the turn is over; returns how many tries were noted.

        It also ends when all that is left are endpoints that have said nothing for longer than ``patience``.
        """
        try:
            return self._drive(length, patience=patience, stopping=stopping)
        except Exception:
            self._queue = []  # what is in the books may have changed; leases run out by themselves
            raise

    def _drive(self, length: timedelta, *, patience: timedelta, stopping: Callable[[], bool]) -> int:
        ends, noted = running_for() + length, 0
        while True:
            is_over = stopping() or running_for() >= ends
            attempts = self._finished(patience)
            noted += len(attempts)
            self._store(attempts, take_more=not is_over, held_up=self._threads(patience).held_up())
            if is_over or not (self._start(patience) or self._answering(patience)):
                self._store([], take_more=False)
                return noted

    def _threads(self, patience: timedelta) -> Threads:
        running, since = self._running.values(), running_for() - patience
        hanging = {parcel.endpoint_id for parcel, started in running if started <= since}
        return Threads(Counter(parcel.endpoint_id for parcel, _ in running), self._slow | hanging, hanging)

    def _answering(self, patience: timedelta) -> bool:
        """Whether an exchange began so lately that its answer may still come soon, with no endpoint that was slow."""
        since = running_for() - patience
        return any(
            started > since and parcel.endpoint_id not in self._slow for parcel, started in self._running.values()
        )

    def _store(self, attempts: Sequence[Attempt], *, take_more: bool, held_up: Collection[str] = ()) -> None:
        # What another worker may claim before an exchange would be over is not begun, nor released.
        soon = self.now() + self.carrier.longest
        self._queue = [one for one in self._queue if one.leased_until > soon]
        not_now = {one.delivery.endpoint_id for one in attempts if one.is_endpoints_failure} | set(held_up)
        back = [one for one in self._queue if not take_more or one.endpoint_id in not_now]
        room = _IN_HAND - len(self._queue) - len(self._running)
        if not attempts and not back and (not take_more or room < _IN_HAND // 2):
            return
        with transaction(self.engine) as session:
            note_attempts(session, attempts, jitter=lambda: random.randint(LEAST_JITTER, MOST_JITTER))  # noqa: S311
            if back:
                release(session, [delivery for one in back for delivery in one.deliveries])
                self.carrier.unpacked(session, back)
                self._queue = [one for one in self._queue if one not in back]
            crash.point("deliver.noted")
            # Places are given back and taken in transactions of their own, so that no two workers wait for each other.
            if take_more and not any(one.place for one in back):
                now = self.now()
                claimed = claim(session, self.carrier.kind, at_most=room, now=now, passed_over=held_up)
                self._queue += self.carrier.packed(session, claimed, now=now) if claimed else ()
        crash.point("deliver.claimed")

    def _start(self, patience: timedelta) -> bool:
        """Carry what is in hand, as far as endpoints may have threads; returns whether anything was begun."""
        threads, before = self._threads(patience), len(self._queue)
        left: list[Parcel] = []
        for parcel in self._queue:
            if threads.is_open(parcel.endpoint_id):
                threads.busy[parcel.endpoint_id] += 1
                self._running[self._pool.submit(parcel.carry)] = (parcel, running_for())
            else:
                left.append(parcel)
        self._queue = left
        return len(left) < before

    def _finished(self, patience: timedelta) -> list[Attempt]:
        """Wait a moment for exchanges to end, and cut those that take too long. Who took long is remembered."""
        if not self._running:
            return []
        done, _ = wait(self._running, timeout=_LOOK.total_seconds(), return_when=FIRST_COMPLETED)
        for parcel, started in self._running.values():
            if running_for() - started > self.carrier.longest:
                parcel.cut()
        for future in done:
            del self._running[future]
        attempts = [attempt for future in done for attempt in future.result()]
        for one in sorted(attempts, key=lambda one: one.ended):
            is_slow = timedelta(milliseconds=one.milliseconds) > patience
            (self._slow.add if is_slow else self._slow.discard)(one.delivery.endpoint_id)
        return attempts
