"""A running total that billing has not seen yet. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(slots=True)
class UnratedSummary:
    """A locked summary whose present total, or whose terms, billing has not seen.

    ``changed`` says that billing changed its span, its quota, or its division at the allowance, in memory.
    ``boundary`` is the ordinal of the first recording beyond. With ``frozen`` the allowance stays for ever. ``sources``
    are, for a meter's summary, those whose recordings it counts: ``{"summary": id, "events": ..., "voids": ...}``; the
    first says also how its billing period is divided.
    ``covered`` units of what lies beyond were paid for beforehand.
    """

    id: int
    subscription_id: str
    usage_type_id: str
    period_start: datetime
    period_end: datetime
    bills_at: datetime
    quota_id: int | None
    allowance: Decimal | None
    total: Decimal
    beyond_limit: Decimal
    events: int
    beyond_events: int
    voids: int
    events_hash: bytes
    boundary: int | None
    frozen: bool
    changed: bool = False
    sources: Sequence[Mapping[str, Any]] | None = None
    covered: Decimal = Decimal(0)

    @property
    def billable(self) -> Decimal:
        """What lies beyond and was not paid for beforehand."""
        return self.beyond_limit - self.covered if self.covered else self.beyond_limit

    @property
    def key(self) -> tuple[str, str, datetime]:
        """What it is the total of: (subscription, usage type, start of the segment)."""
        return self.subscription_id, self.usage_type_id, self.period_start
