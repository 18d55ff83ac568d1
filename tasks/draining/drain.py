"""From the inbox to the books: read, record in one transaction, delete, until nothing waits.

Whoever empties a shard in which little waits takes the other shards along, as far as nobody else is at them: one
transaction for all, and one process that waits for company instead of eight. When it becomes too much for one, the
others are woken again.

A batch that ends its worker, or hangs it, three times is then recorded one by one, and the one that does it again is
set aside without another try. When the database or the inbox does not answer nothing is tried and nothing held
against anybody: the shards pause.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from tasks.draining.alone import record_one_by_one, set_suspect_aside
from tasks.draining.batch import BATCH, record_entries
from tasks.inbox.protocol import READ_BYTES, Entry, Inbox
from usage_billing.core import crash
from usage_billing.core.errors import Unavailable
from usage_billing.db.locks import try_lock_drain
from usage_billing.db.session import transaction

# So few in a round are little: taking the other shards along, and after that waiting for more, costs less than another
# round at once.
LITTLE = 1000
LINGER_SECONDS = 0.2
# Give the process back after this, so that one busy shard does not starve the others.
TURN_SECONDS = 20.0
# So often a batch is tried as a whole; before the second time 1 s passes, before the third 2 s.
MAX_TRIES = 3
PAUSE_SECONDS = 5

_log = logging.getLogger(__name__)


def drain_shard(
    shard: int,
    *,
    inbox: Inbox,
    engine: Engine,
    stopping: Callable[[], bool] = lambda: False,
    wake_others: Callable[[], None] = lambda: None,
) -> int:
    """Record what waits in ``shard`` until nothing does, a turn is over, or this process is ``stopping``.

    ``wake_others`` is called when something is left that nobody has been woken for. Returns how many recordings were
    taken; none when somebody else is at it, who will look again before resting. Raises Unavailable, with everything
    not yet recorded still in the inbox and the shards paused.
    """
    return _Drain(shard, inbox, engine, stopping, wake_others).run()


class _Drain:
    """One turn. ``helped`` are the shards it took along, under the lock of ``guard`` like its own."""

    def __init__(
        self,
        shard: int,
        inbox: Inbox,
        engine: Engine,
        stopping: Callable[[], bool],
        wake_others: Callable[[], None],
    ) -> None:
        self._own, self._inbox, self._engine = shard, inbox, engine
        self._stopping, self._wake_others = stopping, wake_others
        self._turn_ends = time.monotonic() + TURN_SECONDS
        self._helped: set[int] = set()
        self._taken = 0
        self._paused = 0.0

    def run(self) -> int:
        """See drain_shard."""
        try:
            while self._own in (left := self._empty()) and not self._is_over():
                self._let_go(left - {self._own})
            self._let_go(left)
        except Unavailable:
            with suppress(Unavailable):
                for shard in {self._own, *self._helped}:
                    self._inbox.forgive(shard)
                    self._inbox.nap(shard, seconds=PAUSE_SECONDS)
            raise
        return self._taken

    def _is_over(self) -> bool:
        return self._stopping() or time.monotonic() > self._turn_ends

    def _let_go(self, shards: set[int]) -> None:
        """Leave ``shards`` to others, and have them woken."""
        for shard in shards:
            self._inbox.nap(shard, seconds=0)
        self._helped -= shards
        if shards:
            self._wake_others()

    def _empty(self) -> set[int]:
        """Record until there is nothing in any shard, or too much for one; returns those in which something is left."""
        # The locks go with the transaction, and that with this process, whatever ends it.
        with transaction(self._engine) as guard:
            self._helped = set()
            if not try_lock_drain(guard, self._own):
                return set()
            while not self._is_over() and (hauls := self._haul(guard)):
                self._record_hauls(hauls)
                if self._helped and self._is_much(hauls):
                    break
                if _is_little(hauls):
                    time.sleep(LINGER_SECONDS)
        return {shard for shard in {self._own, *self._helped} if not self._inbox.rest(shard)}

    def _haul(self, guard: Session) -> dict[int, list[Entry]]:
        """About a batch of what waits: in our own shard, and when that is little in the others too.

        So nobody waits for more in a shard while there is more in another that nobody is at.
        """
        hauls = {self._own: self._inbox.read(self._own, at_most=BATCH)}
        if _is_little(hauls):
            for shard in self._inbox.filled():
                if shard not in hauls and (room := _room(hauls)) and self._may_help(guard, shard):
                    hauls[shard] = self._inbox.read(shard, at_most=room)
        return {shard: entries for shard, entries in hauls.items() if entries}

    def _is_much(self, hauls: dict[int, list[Entry]]) -> bool:
        """Whether a round was too full for all the shards: in some that are held for it nobody may have looked."""
        return not _room(hauls) or not _is_little({self._own: hauls.get(self._own, [])})

    def _may_help(self, guard: Session, shard: int) -> bool:
        if shard not in self._helped and try_lock_drain(guard, shard):
            self._helped.add(shard)
        return shard in self._helped

    def _record_hauls(self, hauls: dict[int, list[Entry]]) -> None:
        """Record all together, but those of a shard that has failed before by themselves.

        Each of these at once when it is taken: if it ends this process, nothing but it shall have failed again.
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
        elif tries <= MAX_TRIES:
            self._pause(2 ** (tries - 2))
            self._record_together({shard: entries})
        else:
            _log.warning("shard %d: the same batch failed %d times, now each recording alone", shard, tries - 1)
            self._taken += record_one_by_one(
                shard, entries, inbox=self._inbox, engine=self._engine, is_over=self._is_over
            )

    def _pause(self, seconds: float) -> None:
        """Let so much time pass in this turn, once for all shards."""
        time.sleep(max(seconds - self._paused, 0))
        self._paused = max(seconds, self._paused)

    def _record_together(self, hauls: dict[int, list[Entry]]) -> None:
        self._taken += record_entries([entry for entries in hauls.values() for entry in entries], self._engine)
        crash.point("drain.recorded")
        for shard, entries in hauls.items():
            self._inbox.delete(shard, entries)
            crash.point("drain.deleted")


def _room(hauls: Mapping[int, Sequence[Entry]]) -> int:
    """How many recordings one transaction takes beside these: none where they are so large that not all were read."""
    entries = [entry for of_shard in hauls.values() for entry in of_shard]
    if sum(len(entry.data) for entry in entries) >= READ_BYTES:
        return 0
    return max(BATCH - sum(entry.count for entry in entries), 0)


def _is_little(hauls: Mapping[int, Sequence[Entry]]) -> bool:
    return _room(hauls) > BATCH - LITTLE
