"""How many recordings went which way, for the curious and for monitoring."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Stats:
    """Counts since the client was made, or since the fork.

    ``recorded`` were taken by ``record``; ``accepted`` by the service, those that earlier processes left behind
    included; ``retried`` counts requests that had to be sent again; ``spilled`` recordings that went to the
    file; ``refused`` those that the service or the client does not take; ``dropped`` those that found neither
    room in memory nor in the file: they are lost. ``waiting`` are not settled yet.
    """

    recorded: int = 0
    accepted: int = 0
    retried: int = 0
    spilled: int = 0
    refused: int = 0
    dropped: int = 0
    waiting: int = 0


class Tally:
    """Counts from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts = {field.name: 0 for field in fields(Stats)}

    def add(self, name: str, amount: int = 1) -> None:
        """Count ``amount`` more under ``name``, a field of ``Stats``."""
        with self._lock:
            self._counts[name] += amount

    def snapshot(self, *, waiting: int) -> Stats:
        """The counts at this moment."""
        with self._lock:
            return Stats(**dict(self._counts, waiting=waiting))
