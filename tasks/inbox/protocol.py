"""The durable inbox: where an accepted recording waits until it is in the books.

Appending is the acceptance: when ``append`` returns, the recording survives whatever dies. An entry is deleted
after the transaction that recorded it was committed, so it may be read twice and never be lost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import Recording, decode_recordings

# How long a wake-up counts: if its message is lost, the next append or the sweep wakes again after this.
WAKE_SECONDS = 10
# When an entry waits this long nobody seems to work here: appends then wake once in IDLE_WAKE_SECONDS only, so that
# days without a worker do not fill the broker with messages. The sweep, which a worker runs, goes on as ever.
IDLE_AFTER_SECONDS = 60
IDLE_WAKE_SECONDS = 60
# What a worker holds of a shard at once, as it was sent; a single entry may be larger.
READ_BYTES = 8 * 1024 * 1024
# No recording was accepted before 2020, none will be after 2200.
_FIRST_MADE, _LAST_MADE = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2020, 2200))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait before ``append`` says no."""

    recordings: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What one request left in one shard: ``data`` encodes ``count`` recordings."""

    id: str
    data: bytes
    count: int


class TakenBatch(NamedTuple):
    """``tries``: how often in a row, this time included, somebody began with the same entry. ``suspect``: what was
    tried alone when whoever tried it was not heard of again, or ''."""

    tries: int
    suspect: str


class Inbox(Protocol):
    """What the API appends to and workers drain. Every method raises Unavailable when it does not answer."""

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """Keep all or none; returns the shards that nobody has been woken for.

        Raises Unavailable, ``inbox_unavailable`` or ``backlog_full``: then nothing was kept, or, after a lost
        answer, the sender's retry is recorded once.
        """
        ...

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """The oldest entries of ``shard``: about ``at_most`` recordings, and not many more than READ_BYTES."""
        ...

    def filled(self) -> list[int]:
        """The shards in which something waits."""
        ...

    def take(self, shard: int, first: Entry) -> TakenBatch:
        """Note that work begins on what was read, and that nobody else need be woken for ``shard``."""
        ...

    def try_alone(self, shard: int, what: str) -> None:
        """Note that ``what`` is tried by itself: the suspect, should nothing more be heard."""
        ...

    def forgive(self, shard: int) -> None:
        """Forget tries and suspect: it was not the entries' fault, or whose it was is found."""
        ...

    def delete(self, shard: int, entries: Sequence[Entry], *, searching: bool = False) -> None:
        """Forget entries whose recordings were committed, and forgive.

        While ``searching`` for what does harm the tries go on: those of the next entry, as if it were the same.
        """
        ...

    def nap(self, shard: int, *, seconds: int) -> None:
        """Nobody is to be woken for ``shard`` for so long (at most WAKE_SECONDS), and then anybody may be."""
        ...

    def rest(self, shard: int) -> bool:
        """Stop draining ``shard`` if it is empty; False when there is something after all."""
        ...

    def overdue(self, *, before: datetime) -> list[int]:
        """The shards in which something waits since ``before`` although nobody was woken; wakes them."""
        ...

    def waiting(self) -> int:
        """How many recordings wait."""
        ...

    def oldest(self) -> datetime | None:
        """Since when the oldest entry waits."""
        ...

    def find(self, record_id: UUID) -> Recording | None:
        """The recording, if it waits."""
        ...


def by_shard(recordings: Sequence[Recording]) -> dict[int, list[Recording]]:
    """What of ``recordings`` goes to which shard."""
    divided: dict[int, list[Recording]] = {}
    for recording in recordings:
        divided.setdefault(recording.shard, []).append(recording)
    return divided


def unavailable() -> Unavailable:
    """The inbox does not answer."""
    return Unavailable("the inbox does not answer; try again later", code="inbox_unavailable")


def backlog_full() -> Unavailable:
    """As much waits as is allowed to."""
    return Unavailable("too many recordings wait to be counted; try again later", code="backlog_full")


def appended_between(record_id: UUID) -> tuple[datetime, datetime] | None:
    """When a recording of this id was appended, give or take; None for an id that was never one of ours.

    Ours are of version 7: they begin with the milliseconds of the epoch at which they were made.
    """
    made_at = (record_id.int >> 80) / 1000
    if not _FIRST_MADE <= made_at < _LAST_MADE:
        return None
    made = datetime.fromtimestamp(made_at, tz=UTC)
    return made - timedelta(seconds=5), made + timedelta(seconds=60)


def find_in(entries: Iterable[bytes], record_id: UUID) -> Recording | None:
    """The recording of this id in ``entries``; others may mention it, as a key or in their metadata."""
    sought = str(record_id).encode()
    for data in entries:
        if sought in data:
            for recording in decode_recordings(data):
                if recording.id == record_id:
                    return recording
    return None
