"""How much a drain does at once and how long it waits: one value, which a test replaces by another of its own."""

from dataclasses import dataclass

from tasks.inbox.protocol import READ_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Counts are recordings, times are seconds.

    ``batch`` is the most that goes into one transaction. A round with fewer than ``little`` is small: then it is
    cheaper to take other shards along, and to wait ``linger_seconds`` for more after it, than to start the next
    round at once. A round that holds ``full_bytes`` is not small, however few its recordings are.

    After ``turn_seconds`` the drain gives its process back, so that one busy shard does not starve the others. It
    tries a batch as a whole ``max_tries`` times: before the second try 1 s passes, before the third 2 s. When the
    database or the inbox does not answer, its shards pause for ``pause_seconds``.
    """

    batch: int = 4000
    little: int = 1000
    full_bytes: int = READ_BYTES
    linger_seconds: float = 0.2
    turn_seconds: float = 20.0
    max_tries: int = 3
    pause_seconds: int = 5


TUNING = Tuning()
