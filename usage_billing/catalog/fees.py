"""Base fees of plans: when one is charged, and its versions. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class FeeTiming(StrEnum):
    """When the base fee of a period is charged."""

    ARREARS = "arrears"
    ADVANCE = "advance"


class FeeVersion(NamedTuple):
    """One version of a base fee per period, None for none; the one that a plan was made with has the ``id`` 0."""

    id: int
    plan_id: str
    base_fee: Decimal | None
    base_fee_timing: str
    effective: str
    exact: bool
    first: bool
    asked_at: datetime
    effective_from: datetime
    made_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class FeeBook:
    """The versions of the base fees of some plans, and those that are some subscriptions' own."""

    listed: dict[str, list[FeeVersion]]
    own: dict[str, list[FeeVersion]]

    def is_due(self, plan_id: str, subscription_id: str) -> bool:
        """Whether any version of the plan's fee, or of the subscription's own, is a fee."""
        found = (*self.listed.get(plan_id, ()), *self.own.get(subscription_id, ()))
        return any(version.base_fee for version in found)

    def with_version(self, version: FeeVersion) -> "FeeBook":
        """Another book with one more version of its plan's fee."""
        listed = self.listed | {version.plan_id: [*self.listed.get(version.plan_id, ()), version]}
        return FeeBook(listed, self.own)

    def ended(self, at: datetime) -> "FeeBook":
        """The book with all that is some subscription's own ended at ``at``."""
        own = {
            name: [one._replace(ended_at=at if one.ended_at is None else min(one.ended_at, at)) for one in found]
            for name, found in self.own.items()
        }
        return FeeBook(self.listed, own)
