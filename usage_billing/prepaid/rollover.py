"""What is carried over: a grant that has what another has left when that ends. Pure.

How much that is follows from what is left, and so from late usage, until the other grant is closed.

Source: docs/prepaid.md, "What is carried over".
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from usage_billing.core.decimals import EXACT

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollover:
    """The grant ``grant_id`` has what ``source_id`` has left at ``begins``, when that ends.

    Without a source it has what was left of an allowance, which no grant pays for: that is ``settled``.
    It is at most ``at_most``, and at most ``percent`` of the ``whole`` amount of the source, rounded down to
    ``places``; None: no such bound. Once it is ``settled`` it is that, whatever is left. A grant that has what several
    have left has one of these for each, in their order: ``at_most`` is then of all together.
    """

    grant_id: UUID
    source_id: UUID | None
    begins: datetime
    whole: Decimal
    places: int
    at_most: Decimal | None = None
    percent: int | None = None
    settled: Decimal | None = None

    def of(self, left: Decimal, given: Decimal = _NOTHING) -> Decimal:
        """How much is carried over where so much is left, and others gave the grant so much before."""
        if self.settled is not None:
            return self.settled
        bounds = [left]
        if self.at_most is not None:
            bounds.append(max(EXACT.subtract(self.at_most, given), _NOTHING))
        if self.percent is not None:
            share = EXACT.multiply(self.whole, Decimal(self.percent)).scaleb(-2)
            bounds.append(share.quantize(Decimal(1).scaleb(-self.places), rounding=ROUND_FLOOR))
        return min(bounds)
