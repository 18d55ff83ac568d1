"""The unsettled recordings, between the threads that record and the thread that sends.

A recording is settled when the service has accepted or refused it, or when it is lost. Until then it is in exactly one
place: in memory, in the parcel under way, or in a file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from usage_billing_client._batching import split_chunk
from usage_billing_client._options import Tuning
from usage_billing_client._progress import Guard, Progress
from usage_billing_client._segment import Segment
from usage_billing_client._store import Parcel, Store


class Backlog:
    """The queue, for any number of callers and one sender."""

    def __init__(self, store: Store, tuning: Tuning) -> None:
        self._guard = Guard(self._put)
        self._lock = self._guard.lock
        self._work = threading.Condition(self._lock)
        self._progress = Progress(self._lock)
        self._store = store
        self._tuning = tuning
        self._oldest_at = 0.0
        self._hurry = 0
        self._stopped = False
        self._leftovers_next = False
        self._under_way: Parcel | None = None

    def put(self, line: bytes) -> bool:
        """Take in one recording; False if it is lost. Quick: at worst it writes to a file."""
        return self._guard.put(line)

    @property
    def count(self) -> int:
        """How many recordings of this process are not settled."""
        with self._lock:
            return self._progress.count

    def take(self) -> Parcel | None:
        """Wait for recordings to send and return them; None when stopped."""
        while True:
            with self._lock:
                parcel = segment = None
                while not self._stopped and parcel is None and segment is None:
                    with self._guard.change():
                        parcel, segment, pause = self._choose(time.monotonic())
                    if parcel is None and segment is None:
                        self._work.wait(pause)
                if self._stopped:
                    return None
                if parcel is not None:
                    self._under_way = parcel
                    return parcel
                data = self._head_of(segment) if segment is not None else None
            if segment is not None and data is not None:
                tuning = self._tuning
                chunk = split_chunk(data, max_events=tuning.max_events, max_bytes=tuning.max_request_bytes)
                return Parcel(chunk.lines, chunk.broken, segment, chunk.length)

    def settle(self, parcel: Parcel) -> None:
        """Count every recording of ``parcel`` as accepted or refused."""
        with self._guard.change():
            self._close_parcel(parcel, settled=len(parcel.lines))

    def give_back(self, parcel: Parcel, rest: Sequence[bytes]) -> None:
        """Take back ``rest`` of ``parcel``, which could not be delivered; its other recordings are settled."""
        with self._guard.change():
            if len(rest) < len(parcel.lines):
                self._progress.disorder()
            self._close_parcel(parcel, settled=len(parcel.lines) - len(rest), rest=rest)

    def put_behind(self, parcel: Parcel, rest: Sequence[bytes]) -> bool:
        """Move ``rest`` of a parcel of a file behind all that waits; its others are settled. False if it cannot be."""
        store, segment = self._store, parcel.segment
        with self._guard.change():
            if segment is None or store.spill is None or store.closed or not store.to_file([], rest):
                return False
            if segment.adopted:
                self._progress.take(len(rest))
            else:
                self._progress.settle(len(parcel.lines) + len(parcel.broken) - len(rest))
            self._progress.disorder()
            lines = 0 if segment.adopted else len(parcel.lines) + len(parcel.broken)
            store.spill.settle(segment, parcel.length, lines=lines)
            return True

    def wait_settled(self, deadline: float, *, until: Callable[[], bool] = lambda: False) -> bool:
        """Wait until everything recorded before the call is settled and nothing is left of dead processes: True.

        Both at one moment: what a dead process left may become a recording of this process, when it is moved behind the
        others. Returns False at ``deadline`` (monotonic seconds), or as soon as ``until()`` holds.
        """
        with self._lock:
            self._hurry += 1
            self._work.notify()
            try:
                return self._progress.wait(deadline, also=self._has_adopted_all, until=until)
            finally:
                self._hurry -= 1

    def look_for_leftovers(self) -> bool:
        """Whether a dead process left recordings in the folder; looks now, and takes the first file over."""
        with self._lock:
            spill = self._store.spill
            if spill is None or self._store.closed:
                return False
            spill.look_now()
            return spill.left_behind() is not None

    def move_to(self, folder: Path) -> None:
        """Take the files along to another folder. Raises OSError."""
        with self._guard.change():
            if self._store.spill is not None:
                self._store.spill.move_to(folder)

    def stop(self) -> None:
        """Let ``take`` return None from now on."""
        with self._lock:
            self._stopped = True
            self._work.notify_all()
            self._progress.end()

    def rescue(self) -> int:
        """At the end: write the recordings that are only in memory to the file; returns how many were lost."""
        with self._guard.change():
            parcel, self._under_way = self._under_way, None
            if parcel is not None:
                self._store.put_back(parcel.lines)
            self._store.closed = True
            lost = 0 if self._store.to_file([], []) else self._store.lose_all()
            self._progress.settle(lost)
            if self._store.spill is not None:
                self._store.spill.release()
            return lost

    def _has_adopted_all(self) -> bool:
        """Whether nothing is left of dead processes; if something is, the sender is woken to send it."""
        if not self.look_for_leftovers():
            return True
        self._work.notify()
        return False

    def _put(self, line: bytes) -> bool:
        self._progress.take()
        was_empty = not self._store.holds_any
        kept = self._store.put(line)
        if not kept:
            self._progress.settle(1)
        if was_empty:
            self._oldest_at = time.monotonic()
        if was_empty or self._store.fills_request:
            self._work.notify()
        return kept

    def _choose(self, now: float) -> tuple[Parcel | None, Segment | None, float]:
        """A parcel from memory, or a segment to read one from, or how long to wait for either."""
        store, tuning = self._store, self._tuning
        due_in = self._oldest_at + tuning.linger - now if store.holds_any else tuning.adopt_every
        due = store.holds_any and (due_in <= 0 or self._hurry > 0 or store.fills_request)
        # Under steady load the sender is never idle: leftovers of dead processes get every other request.
        if store.spill is not None and (not due or self._leftovers_next):
            leftover = store.spill.left_behind()
            if leftover is not None:
                self._leftovers_next = False
                return None, leftover, 0.0
        self._leftovers_next = due
        if due and store.spill is not None and store.holds_own:
            return None, store.spill.own(), 0.0
        return (Parcel(store.take_memory()), None, 0.0) if due else (None, None, due_in)

    def _close_parcel(self, parcel: Parcel, *, settled: int, rest: Sequence[bytes] = ()) -> None:
        spill, segment = self._store.spill, parcel.segment
        if segment is None:
            if parcel is not self._under_way:
                return  # rescued meanwhile
            self._under_way = None
            self._progress.settle(settled)
            if rest and self._store.holds_own:
                self._progress.disorder()
            if rest and not self._store.to_file(rest, []):
                self._store.put_back(rest)
        elif spill is not None and not rest and not self._store.closed:
            lines = 0 if segment.adopted else settled + len(parcel.broken)
            self._progress.settle(lines)
            spill.settle(segment, parcel.length, lines=lines)

    def _head_of(self, segment: Segment) -> bytes | None:
        lines = segment.lines
        data = self._store.head_of(segment)
        if data is None:
            self._progress.settle(lines)
        return data
