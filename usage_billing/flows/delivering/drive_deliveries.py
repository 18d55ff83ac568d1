"""Sends what is due: claims deliveries, carries them side by side, and notes what became of each.

No transaction is open while an endpoint is waited for. An endpoint that hangs keeps one thread of its own and delays no
other; what it still holds when a turn ends is noted in the next turn of the same process, or claimed by another process
when its lease has run out.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Engine

from usage_billing.core import crash
from usage_billing.core.clock import utc_now
from usage_billing.db.session import do_not_wait_for_disk, transaction
from usage_billing.flows.delivering.lanes import Lanes
from usage_billing.flows.delivering.make_attempt import running_for
from usage_billing.flows.delivering.note_attempts import note_attempts
from usage_billing.flows.delivering.pace import Pace, never
from usage_billing.flows.delivering.parcels import Carrier, Parcel
from usage_billing.webhooks.claims import ClaimedDelivery, claim, release
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.retries import LEAST_JITTER, MOST_JITTER
from usage_billing.webhooks.sharing import Threads

PATIENCE = timedelta(seconds=1)
"""For how long a turn waits for endpoints when nothing else is left: a process has other work too."""

_IN_HAND = 128
_LOOK = timedelta(milliseconds=50)
"""Outcomes are noted together, so often."""
_CALM_LOOK = timedelta(milliseconds=250)
"""So often while the process gives way: noting takes more of the CPU than the few exchanges between."""

_LEAST = timedelta(milliseconds=1)
_MARGIN = timedelta(seconds=1)
"""All threads of a process that gives way get their steps within less."""

_TOGETHER = 64
"""Outcomes beyond so many do not wait for each other."""


@dataclass(slots=True)
class Courier:
    """What one process sends by ``carrier``; it is kept from turn to turn.

    While it ``gives_way`` to other work, its exchanges begin in steps.
    """

    engine: Engine
    carrier: Carrier
    now: Callable[[], datetime] = utc_now
    gives_way: Callable[[], bool] = never
    _lanes: Lanes = field(init=False)
    _ended: list[Attempt] = field(default_factory=list)
    _back: list[Parcel] = field(default_factory=list)
    _slow: set[str] = field(default_factory=set)
    _stored: timedelta = field(default_factory=running_for)

    def __post_init__(self) -> None:
        self._lanes = Lanes(self._may_begin, Pace(self.gives_way))

    def turn(
        self, length: timedelta, *, patience: timedelta = PATIENCE, stopping: Callable[[], bool] = lambda: False
    ) -> int:
        """Send what is due until nothing is left or the turn is over; returns how many tries were noted.

        It also ends when all that is left are endpoints that have said nothing for longer than ``patience``.
        """
        try:
            return self._drive(length, patience=patience, stopping=stopping)
        except Exception:
            self._lanes.take_back()  # what is in the books may have changed; leases run out by themselves
            self._ended, self._back = [], []
            raise

    def _drive(self, length: timedelta, *, patience: timedelta, stopping: Callable[[], bool]) -> int:
        ends, noted = running_for() + length, 0
        while True:
            is_over = stopping() or running_for() >= ends
            self._listen(patience)
            held_up = self._threads(patience).held_up()
            self._back += self._lanes.take_back(None if is_over else held_up)
            if is_over and self._answering(patience):
                continue  # the next turn may be another process's, and this one would note too late what they took
            self._lanes.carry(self._threads(patience))
            if not self._is_to_be_stored(patience, is_over=is_over):
                continue
            noted += self._store(take_more=not is_over, held_up=held_up)
            if is_over or not (self._lanes.carry(self._threads(patience)) or self._answering(patience)):
                self._back += self._lanes.take_back()
                return noted + self._store(take_more=False)

    def _may_begin(self, parcel: Parcel) -> bool:
        """Whether its exchange is over before another worker may claim it."""
        return parcel.leased_until > self.now() + self.carrier.longest + _MARGIN

    def _threads(self, patience: timedelta) -> Threads:
        since = running_for() - patience
        hanging = {lane.parcel.endpoint_id for lane in self._lanes.running if lane.started <= since}
        return Threads(self._lanes.busy(), self._slow | hanging, hanging)

    def _answering(self, patience: timedelta) -> bool:
        """Whether an exchange began so lately that its answer may still come soon, with no endpoint that was slow."""
        since = running_for() - patience
        return any(lane.started > since and lane.parcel.endpoint_id not in self._slow for lane in self._lanes.running)

    def _listen(self, patience: timedelta) -> None:
        """Wait a moment for exchanges to end, and cut those that take too long. Who took long is remembered.

        What waits for an endpoint that fails is not to be carried now.
        """
        if not self._lanes.running:
            return
        attempts = self._lanes.ended(max(self._stored + self._look() - running_for(), _LEAST))
        for lane in self._lanes.running:
            if running_for() - lane.started > self.carrier.longest:
                lane.parcel.cut()
        for one in sorted(attempts, key=lambda one: one.ended):
            is_slow = timedelta(milliseconds=one.milliseconds) > patience
            (self._slow.add if is_slow else self._slow.discard)(one.delivery.endpoint_id)
        failed = {one.delivery.endpoint_id for one in attempts if one.is_endpoints_failure}
        self._back += self._lanes.take_back(failed)
        self._ended += attempts

    def _look(self) -> timedelta:
        return _CALM_LOOK if self.gives_way() else _LOOK

    def _is_to_be_stored(self, patience: timedelta, *, is_over: bool) -> bool:
        """Whether it is time, there is much to note, or an endpoint that answers has nothing in hand any more."""
        if is_over or running_for() >= self._stored + self._look() or len(self._ended) >= _TOGETHER:
            return True
        held = self._lanes.held()
        return not self._answering(patience) or any(not held[one.delivery.endpoint_id] for one in self._ended)

    def _store(self, *, take_more: bool, held_up: Collection[str] = ()) -> int:
        """Note what has ended, give back what is not to be carried, and claim more; returns how many were noted."""
        attempts, back, held = self._ended, self._back, self._lanes.held()
        room, self._stored = _IN_HAND - held.total(), running_for()
        if not attempts and not back and (not take_more or room < _IN_HAND // 2):
            return 0
        with transaction(self.engine) as session:
            note_attempts(session, attempts, jitter=lambda: random.randint(LEAST_JITTER, MOST_JITTER))  # noqa: S311
            if back:
                release(session, [delivery for one in back for delivery in one.deliveries])
                self.carrier.unpacked(session, back)
            crash.point("deliver.noted")
            # Places are given back and taken in transactions of their own, so that no two workers wait for each other.
            taken: Sequence[ClaimedDelivery] = ()
            parcels: Sequence[Parcel] = ()
            if take_more and not any(one.place for one in back):
                now = self.now()
                taken = claim(session, self.carrier.kind, at_most=room, now=now, held=held, passed_over=held_up)
                parcels = self.carrier.packed(session, taken, now=now) if taken else ()
            # What came before an event in order is noted on disk before that event goes out: it never comes after it.
            if self.carrier.may_repeat and not any(one.ordered for one in taken):
                do_not_wait_for_disk(session)
        crash.point("deliver.claimed")
        self._ended, self._back = [], []
        self._lanes.add(parcels)
        return len(attempts)
