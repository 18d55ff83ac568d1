"""What a rehearsal of a change of a plan found, in a form that adds up however the rehearsal is sliced. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from usage_billing.core.decimals import EXACT

SHOWN = 100
"""How many of the subscriptions that a change would alter are shown one by one."""
_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeseenSubscription:
    """A subscription that the change would alter from ``effective_at`` on, and by how much.

    Invoices are compared that close by ``until``. ``charged`` is what the change adds to charges, ``credited`` what it
    takes from them, both in units of the currency and not negative.
    """

    subscription_id: str
    effective_at: datetime
    until: datetime
    charged: Decimal
    credited: Decimal

    @property
    def difference(self) -> Decimal:
        """What the change charges; negative gives back."""
        return EXACT.subtract(self.charged, self.credited)


@dataclass(slots=True, kw_only=True)
class ForeseenChange:
    """What a version of a plan's quota, or of its base fee (``usage_type`` None), would charge and give back.

    ``effective`` is how the real change asks for it. ``looked`` is of how many subscriptions it was reckoned, and
    ``subscriptions`` the first that it would alter, by id, ``SHOWN`` at most. Amounts are in units of ``currency``.
    """

    plan_id: str
    usage_type: str | None
    currency: str
    effective: str
    effective_from: datetime
    looked: int = 0
    charged: Decimal = _NOTHING
    credited: Decimal = _NOTHING
    subscriptions: list[ForeseenSubscription] = field(default_factory=list)

    @property
    def difference(self) -> Decimal:
        """What the change charges in all; negative gives back."""
        return EXACT.subtract(self.charged, self.credited)

    def add(self, one: ForeseenSubscription) -> None:
        """Note a subscription that would be altered; they come in the order of their ids."""
        self.charged, self.credited = EXACT.add(self.charged, one.charged), EXACT.add(self.credited, one.credited)
        if len(self.subscriptions) < SHOWN:
            self.subscriptions.append(one)

    def merge(self, other: "ForeseenChange") -> None:
        """Add what was found of the subscriptions that come next."""
        self.looked += other.looked
        self.charged, self.credited = EXACT.add(self.charged, other.charged), EXACT.add(self.credited, other.credited)
        self.subscriptions += other.subscriptions[: SHOWN - len(self.subscriptions)]

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "ForeseenChange":
        """What ``to_json`` wrote."""
        return msgspec.convert(stored, cls)
