"""Drains a shard of the inbox into the books: read, record in one transaction, delete, until nothing waits.

If little waits in its own shard, the drain takes the other shards along, except those that another drain has locked.
Then one transaction serves all shards, and one process instead of eight waits for more recordings. When that becomes
too much for one process, the drain leaves the other shards and has their own drains woken.

If a batch ends or hangs its worker three times, the next drain records its recordings one by one. The recording that
does so again is set aside without another try. When the database or the inbox does not answer, the drain tries nothing,
counts no failure against the batch, and pauses the shards.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tasks.draining.alone import record_one_by_one, set_suspect_aside
from tasks.draining.batch import record_entries
from tasks.draining.tuning import TUNING, Tuning
from tasks.inbox.protocol import Entry, Inbox
from usage_billing.core import crash
from usage_billing.core.errors import Unavailable
from usage_billing.db.locks import try_lock_drain
from usage_billing.db.session import transaction

_log = logging.getLogger(__name__)


def drain_shard(
    shard: int,
    *,
    inbox: Inbox,
    engine: Engine,
    stopping: Callable[[], bool] = lambda: False,
    wake_others: Callable[[], None] = lambda: None,
    tuning: Tuning = TUNING,
) -> int:
    """Record what waits in ``shard`` until nothing does, its turn is over, or this process is ``stopping``.

    The drain calls ``wake_others`` when it leaves entries for which no drain was woken. Returns how many recordings it
    took: 0 when another drain holds the shard, which looks again before it rests. Raises Unavailable; then everything
    not yet recorded is still in the inbox, and the shards are paused for ``tuning.pause_seconds``.
    """
    return _Drain(shard, inbox, engine, stopping, wake_others, tuning).run()


class _Drain:
    """One turn of a drain. ``_helped`` are the shards it took along, locked by its guard transaction like its own."""

    def __init__(
        self,
        shard: int,
        inbox: Inbox,
        engine: Engine,
        stopping: Callable[[], bool],
        wake_others: Callable[[], None],
        tuning: Tuning,
    ) -> None:
        self._own, self._inbox, self._engine = shard, inbox, engine
        self._stopping, self._wake_others, self._tuning = stopping, wake_others, tuning
        self._turn_ends = time.monotonic() + tuning.turn_seconds
        self._helped: set[int] = set()
        self._taken = 0
        self._paused = 0.0

    def run(self) -> int:
        """Drain until the turn is over; returns how many recordings were taken. Raises Unavailable."""
        try:
            while self._own in (left := self._empty()) and not self._is_over():
                self._let_go(left - {self._own})
            self._let_go(left)
        except Unavailable:
            with suppress(Unavailable):
                for shard in {self._own, *self._helped}:
                    self._inbox.forgive(shard)
                    self._inbox.nap(shard, seconds=self._tuning.pause_seconds)
            raise
        return self._taken

    def _is_over(self) -> bool:
        return self._stopping() or time.monotonic() > self._turn_ends

    def _let_go(self, shards: set[int]) -> None:
        """Leave ``shards`` to other drains, and have those woken."""
        for shard in shards:
            self._inbox.nap(shard, seconds=0)
        self._helped -= shards
        if shards:
            self._wake_others()

    def _empty(self) -> set[int]:
        """Record until every shard is empty or one drain has too much; returns the shards that are not empty."""
        # The locks end with the transaction, and the transaction ends with this process, even when that is killed.
        with transaction(self._engine) as guard:
            self._helped = set()
            if not try_lock_drain(guard, self._own):
                return set()
            while not self._is_over() and (hauls := self._haul(guard)):
                self._record_hauls(hauls)
                if self._helped and self._is_much(hauls):
                    break
                if self._is_little(hauls):
                    time.sleep(self._tuning.linger_seconds)
        return {shard for shard in {self._own, *self._helped} if not self._inbox.rest(shard)}

    def _haul(self, guard: Session) -> dict[int, list[Entry]]:
        """Read about a batch of what waits, by shard: our own shard, and the other shards too when ours holds little.

        So this drain does not wait for more in its own shard while entries lie in a shard that no drain has locked.
        """
        hauls = {self._own: self._inbox.read(self._own, at_most=self._tuning.batch)}
        if self._is_little(hauls):
            for shard in self._inbox.filled():
                if shard not in hauls and (room := self._room(hauls)) and self._may_help(guard, shard):
                    hauls[shard] = self._inbox.read(shard, at_most=room)
        return {shard: entries for shard, entries in hauls.items() if entries}

    def _is_much(self, hauls: dict[int, list[Entry]]) -> bool:
        """Whether a round was too full for all shards: then this drain may hold shards that it did not read."""
        return not self._room(hauls) or not self._is_little({self._own: hauls.get(self._own, [])})

    def _may_help(self, guard: Session, shard: int) -> bool:
        if shard not in self._helped and try_lock_drain(guard, shard):
            self._helped.add(shard)
        return shard in self._helped

    def _record_hauls(self, hauls: dict[int, list[Entry]]) -> None:
        """Record all shards together, except that a shard whose batch failed before is recorded by itself.

        Such a shard is recorded as soon as it is taken, before the next shard is: if it ends this process, only its own
        tries go up.
        """
        together = {}
        for shard, entries in hauls.items():
            tries, suspect = self._inbox.take(shard, entries[0])
            crash.point("drain.taken")
            if suspect or tries > 1:
                self._record_suspects(shard, entries, tries, suspect)
            else:
                together[shard] = entries
        self._record_together(together)

    def _record_suspects(self, shard: int, entries: list[Entry], tries: int, suspect: str) -> None:
        if suspect:
            set_suspect_aside(suspect, shard, entries, inbox=self._inbox, engine=self._engine)
        elif tries <= self._tuning.max_tries:
            self._pause(2 ** (tries - 2))
            self._record_together({shard: entries})
        else:
            _log.warning("shard %d: the same batch failed %d times, now each recording alone", shard, tries - 1)
            self._taken += record_one_by_one(
                shard, entries, inbox=self._inbox, engine=self._engine, is_over=self._is_over
            )

    def _pause(self, seconds: float) -> None:
        """Wait until this turn has paused for ``seconds`` in all, whichever shard it paused for."""
        time.sleep(max(seconds - self._paused, 0))
        self._paused = max(seconds, self._paused)

    def _record_together(self, hauls: dict[int, list[Entry]]) -> None:
        entries = [entry for of_shard in hauls.values() for entry in of_shard]
        self._taken += record_entries(entries, self._engine, batch=self._tuning.batch)
        crash.point("drain.recorded")
        for shard, entries in hauls.items():
            self._inbox.delete(shard, entries)
            crash.point("drain.deleted")

    def _room(self, hauls: Mapping[int, Sequence[Entry]]) -> int:
        """How many recordings fit into the transaction beside these; 0 when these fill what may be read at once."""
        entries = [entry for of_shard in hauls.values() for entry in of_shard]
        if sum(len(entry.data) for entry in entries) >= self._tuning.full_bytes:
            return 0
        return max(self._tuning.batch - sum(entry.count for entry in entries), 0)

    def _is_little(self, hauls: Mapping[int, Sequence[Entry]]) -> bool:
        return self._room(hauls) > self._tuning.batch - self._tuning.little
