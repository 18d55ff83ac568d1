"""The durable inbox: where an accepted recording waits until it is in the books.

Appending is the acceptance: when ``append`` returns, the recording survives whatever dies. An entry is deleted
after the transaction that recorded it was committed, so it may be read twice and never be lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from usage_billing.metering.recording import Recording


@dataclass(frozen=True, slots=True)
class Entry:
    """What one request left in one shard: ``data`` encodes ``count`` recordings."""

    id: str
    data: bytes
    count: int


class Inbox(Protocol):
    """What the API appends to and workers drain. Every method raises Unavailable when it does not answer."""

    def append(self, recordings: Sequence[Recording]) -> list[int]:
        """Keep all or none; returns the shards that nobody has been woken for.

        Raises Unavailable, ``inbox_unavailable`` or ``backlog_full``: then nothing was kept, or, after a lost
        answer, the sender's retry is recorded once.
        """
        ...

    def read(self, shard: int, *, at_most: int) -> list[Entry]:
        """The oldest entries of ``shard``: about ``at_most`` recordings."""
        ...

    def delete(self, shard: int, entries: Sequence[Entry]) -> None:
        """Forget entries whose recordings were committed."""
        ...

    def keep_awake(self, shard: int) -> None:
        """Say that somebody is still draining ``shard``, so that nobody else need be woken."""
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
