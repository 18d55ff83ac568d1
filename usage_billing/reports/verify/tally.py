"""Recordings added up once more, in the order recorded. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from usage_billing.core.decimals import EXACT

NOTHING = Decimal(0)
_MODULUS = 1 << 256


@dataclass(slots=True)
class Tally:
    """The sums of recordings as of when ``events`` were recorded and ``voids`` of them taken back; None means now.

    ``each``, unless it is None, has how much of each recording lies beyond, of those of which a part does.
    """

    allowance: Decimal | None
    events: int | None = None
    voids: int | None = None
    recorded: int = 0
    taken_back: int = 0
    total: Decimal = NOTHING
    beyond: Decimal = NOTHING
    beyond_events: int = 0
    digest: int = 0
    each: list[Decimal] | None = None

    def add(self, id: UUID, place: int, quantity: Decimal, void: int | None) -> Decimal:
        """Add the next recording; returns how much of it lies beyond the limit.

        ``void`` is its place among those taken back, counted from 1; None for one that was not.
        """
        if self.events is not None and place > self.events:
            return NOTHING
        self.recorded += 1
        if void is not None and (self.voids is None or void <= self.voids):
            self.taken_back += 1
            return NOTHING
        self.total = EXACT.add(self.total, quantity)
        self.digest += int.from_bytes(sha256(id.bytes + f"{EXACT.normalize(quantity):f}".encode()).digest())
        if self.allowance is None or self.total <= self.allowance or not quantity:
            return NOTHING
        mark = min(quantity, EXACT.subtract(self.total, self.allowance))
        self.beyond = EXACT.add(self.beyond, mark)
        self.beyond_events += 1
        if self.each is not None:
            self.each.append(mark)
        return mark

    @property
    def hash(self) -> bytes:
        """The sum of the hashes of the recordings that count."""
        return (self.digest % _MODULUS).to_bytes(32)
