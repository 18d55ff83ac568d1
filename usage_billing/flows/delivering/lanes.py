"""What a process has in hand, and the threads that carry it. A lane is one thread's work for one endpoint.

An endpoint that answers quickly gets few lanes, each of which carries several parcels one after the other: more threads
would only wait for each other. Another endpoint gets a lane for each parcel, as far as it may have threads.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue

from usage_billing.flows.delivering.make_attempt import running_for
from usage_billing.flows.delivering.pace import Pace
from usage_billing.flows.delivering.parcels import Parcel
from usage_billing.webhooks.deliveries import Attempt
from usage_billing.webhooks.sharing import AT_ONCE, OF_LANE, QUICK, Threads, is_worth_a_thread


@dataclass(slots=True, eq=False)
class Lane:
    """What a thread carries, since ``started`` or from then on; ``error`` is what it failed of."""

    parcel: Parcel
    started: timedelta
    is_over: bool = False
    error: Exception | None = None


@dataclass(slots=True)
class Lanes:
    """Parcels that wait, by endpoint, and those on their way. ``may_begin`` says whether one may still be carried.

    ``pace`` says when each exchange begins. One thread calls the methods. The lanes only take from what waits.
    """

    may_begin: Callable[[Parcel], bool]
    pace: Pace
    running: list[Lane] = field(default_factory=list)
    _waiting: dict[str, deque[Parcel]] = field(default_factory=dict)
    _ended: SimpleQueue[Sequence[Attempt]] = field(default_factory=SimpleQueue)
    _quick: set[str] = field(default_factory=set)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE, "courier"))

    def add(self, parcels: Sequence[Parcel]) -> None:
        """Let these wait for their turn."""
        for parcel in parcels:
            self._waiting.setdefault(parcel.endpoint_id, deque()).append(parcel)

    def take_back(self, endpoint_ids: Collection[str] | None = None) -> list[Parcel]:
        """What waits for these endpoints, or for all, and is not to be carried now; without what may not begin."""
        taken = [id for id in self._waiting if endpoint_ids is None or id in endpoint_ids]
        parcels = [parcel for id in taken for parcel in _all_of(self._waiting.pop(id))]
        return [parcel for parcel in parcels if self.may_begin(parcel)]

    def held(self) -> Counter[str]:
        """How many parcels of each endpoint are in hand."""
        return Counter({id: len(parcels) for id, parcels in self._waiting.items()}) + self.busy()

    def busy(self) -> Counter[str]:
        """How many lanes each endpoint has."""
        return Counter(lane.parcel.endpoint_id for lane in self.running)

    def carry(self, threads: Threads) -> bool:
        """Carry what waits, as far as endpoints may have threads; returns whether any lane began."""
        began, names = False, list(self._waiting)
        while names:  # the second lane of an endpoint begins after the first of each
            names = [id for id in names if self._start_lane(id, threads)]
            began = began or bool(names)
        return began

    def ended(self, within: timedelta) -> list[Attempt]:
        """What came of exchanges that have ended; waits for the first. Raises what a lane failed of."""
        found: list[Attempt] = []
        with suppress(Empty):
            found += self._ended.get(timeout=max(within.total_seconds(), 0))
        over = [lane for lane in self.running if lane.is_over]  # before the rest is taken: no lane adds any more to it
        with suppress(Empty):
            while True:
                found += self._ended.get_nowait()
        self.running = [lane for lane in self.running if lane not in over]
        for lane in over:
            if lane.error is not None:
                raise lane.error
        return found

    def _start_lane(self, endpoint_id: str, threads: Threads) -> bool:
        waiting, since = self._waiting[endpoint_id], running_for() - QUICK
        moving = sum(lane.parcel.endpoint_id == endpoint_id and lane.started > since for lane in self.running)
        worth = is_worth_a_thread(len(waiting), moving=moving, is_quick=endpoint_id in self._quick)
        if not worth or not threads.is_open(endpoint_id):
            return False
        parcel = self._next(waiting)
        if parcel is None:
            return False
        threads.busy[endpoint_id] += 1
        lane = Lane(parcel, self.pace.next())
        self.running.append(lane)
        self._pool.submit(self._work, lane, waiting)
        return True

    def _next(self, waiting: deque[Parcel]) -> Parcel | None:
        return next((parcel for parcel in _all_of(waiting) if self.may_begin(parcel)), None)

    def _work(self, lane: Lane, waiting: deque[Parcel]) -> None:
        """The work of a thread: it ends with the first exchange that fails or takes its time."""
        try:
            more = OF_LANE
            while self._exchange(lane) and (more := more - 1) and (parcel := self._next(waiting)) is not None:
                lane.started, lane.parcel = self.pace.next(), parcel
        except Exception as error:
            lane.error = error
        finally:
            lane.is_over = True
            self._ended.put(())

    def _exchange(self, lane: Lane) -> bool:
        """Returns whether the endpoint took it, and quickly."""
        time.sleep(max((lane.started - running_for()).total_seconds(), 0))
        attempts = lane.parcel.carry()
        is_quick = running_for() - lane.started <= QUICK
        (self._quick.add if is_quick else self._quick.discard)(lane.parcel.endpoint_id)
        self._ended.put(attempts)
        return is_quick and not any(one.is_endpoints_failure for one in attempts)


def _all_of(waiting: deque[Parcel]) -> Iterator[Parcel]:
    """Take the parcels one by one, until there is none; other threads may take some meanwhile."""
    with suppress(IndexError):
        while True:
            yield waiting.popleft()
