"""What the sender takes at a time."""

from __future__ import annotations

from dataclasses import dataclass

from usage_billing_client.segment import Segment


@dataclass(frozen=True, eq=False)
class Parcel:
    """Recordings for one request. Those from a file name their segment and the bytes they take at its head."""

    lines: tuple[bytes, ...]
    broken: tuple[bytes, ...] = ()
    segment: Segment | None = None
    length: int = 0

    @property
    def from_memory(self) -> bool:
        """Whether only this process has them."""
        return self.segment is None
