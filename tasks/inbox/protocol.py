"""The durable inbox: where an accepted recording waits until it is in the books.

Appending is the acceptance: when ``append`` returns, the recording survives the death of any process. A drain deletes
an entry after it has committed the transaction that recorded it. So an entry may be read twice and is never lost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from usage_billing.core.errors import Unavailable
from usage_billing.metering.recording import Recording, decode_recordings

# For so many seconds a wake-up counts. If its message is lost, the next append or the sweep wakes a drain after that.
WAKE_SECONDS = 10
# If an entry waits for so many seconds, no worker seems to run. An append then wakes a drain only once in
# IDLE_WAKE_SECONDS, so that days without a worker do not fill the broker with messages. The sweep runs in a worker, and
# wakes as often as before.
IDLE_AFTER_SECONDS = 60
IDLE_WAKE_SECONDS = 60
# About how many encoded bytes of a shard a worker reads at once; a single entry may be larger.
READ_BYTES = 8 * 1024 * 1024
# No recording was accepted before 2020, none will be after 2200.
_FIRST_MADE, _LAST_MADE = (datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (2020, 2200))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait before ``append`` refuses: a number of recordings, and a number of encoded bytes."""

    recordings: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What one request appended to one shard: ``data`` encodes ``count`` recordings."""

    id: str
    data: bytes
    count: int


class TakenBatch(NamedTuple):
    """What the inbox knows of a shard's first entry when a drain takes it.

    ``tries`` is how often in a row a drain began with this entry, this time included. ``suspect`` names what an earlier
    drain tried alone and did not survive; it is '' when there is none.
    """

    tries: int
    suspect: str


class Inbox(Protocol):
    """What the API appends to and workers drain. Every method raises Unavailable when it does not answer."""

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """Keep all of ``recordings`` or none; returns the shards for which the caller has to wake a drain.

        Raises Unavailable with the code ``inbox_unavailable`` or ``backlog_full``: then nothing was kept. If only the
        inbox's answer was lost, the recordings were kept, and the sender's retry counts nothing twice.
        """
        ...

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """The oldest entries of ``shard``: about ``at_most`` recordings, and not many more bytes than READ_BYTES."""
        ...

    def filled(self) -> list[int]:
        """The shards in which something waits."""
        ...

    def take(self, shard: int, first: Entry) -> TakenBatch:
        """Note that a drain begins with entry ``first``, and that no other need be woken for WAKE_SECONDS."""
        ...

    def try_alone(self, shard: int, what: str) -> None:
        """Note that a drain now tries ``what`` alone. If that drain dies, ``what`` is the suspect; '' clears it."""
        ...

    def forgive(self, shard: int) -> None:
        """Forget the shard's tries and its suspect: no entry was at fault, or the one at fault was found."""
        ...

    def delete(self, shard: int, entries: Sequence[Entry], *, searching: bool = False) -> None:
        """Delete entries whose recordings were committed, and forgive the shard.

        While a drain is ``searching`` for a harmful recording, the tries are kept: they count for the next entry as if
        it were the same one. Only the suspect is forgotten.
        """
        ...

    def nap(self, shard: int, *, seconds: int) -> None:
        """Let no drain be woken for ``shard`` for ``seconds`` (0 to WAKE_SECONDS); after that an append wakes one."""
        ...

    def rest(self, shard: int) -> bool:
        """Let ``shard`` sleep if it is empty; when an entry waits after all, it stays awake and False is returned."""
        ...

    def overdue(self, *, before: datetime) -> list[int]:
        """The shards with an entry older than ``before`` for which no drain is awake; marks them as woken."""
        ...

    def waiting(self) -> int:
        """How many recordings wait, in all shards."""
        ...

    def oldest(self) -> datetime | None:
        """When the oldest waiting entry was appended; None when nothing waits."""
        ...

    def find(self, record_id: UUID) -> Recording | None:
        """The recording with this id if it waits, else None."""
        ...


def by_shard(recordings: Sequence[Recording]) -> dict[int, list[Recording]]:
    """``recordings`` divided by the shard that each belongs to."""
    divided: dict[int, list[Recording]] = {}
    for recording in recordings:
        divided.setdefault(recording.shard, []).append(recording)
    return divided


def unavailable() -> Unavailable:
    """The error of an inbox that does not answer."""
    return Unavailable("the inbox does not answer; try again later", code="inbox_unavailable")


def backlog_full() -> Unavailable:
    """The error of an inbox in which as much waits as is allowed."""
    return Unavailable("too many recordings wait to be counted; try again later", code="backlog_full")


def appended_between(record_id: UUID) -> tuple[datetime, datetime] | None:
    """From when to when a recording with this id can have been appended; None when its id was not made by us.

    Our ids are UUIDs of version 7. Their first 48 bits are the milliseconds since the epoch at which they were made.
    """
    made_at = (record_id.int >> 80) / 1000
    if not _FIRST_MADE <= made_at < _LAST_MADE:
        return None
    made = datetime.fromtimestamp(made_at, tz=UTC)
    return made - timedelta(seconds=5), made + timedelta(seconds=60)


def find_in(entries: Iterable[bytes], record_id: UUID) -> Recording | None:
    """The recording with this id in ``entries`` (encoded); None when it is in none.

    Other recordings may mention the id, as their key or in their metadata.
    """
    sought = str(record_id).encode()
    for data in entries:
        if sought in data:
            for recording in decode_recordings(data):
                if recording.id == record_id:
                    return recording
    return None
