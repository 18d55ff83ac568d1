"""Versions of quotas, and which of them is in force when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

QuotaKey = tuple[str, str, str | None]
"""(plan, usage type, subscription whose own quota it is)."""


class QuotaVersion(NamedTuple):
    """One version of a quota, to reckon with. ``limit`` is the allowance per period; None never charges."""

    id: int
    version: int
    immediate: bool
    limit: Decimal | None
    price: dict[str, Any]
    unit_name: str
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class QuotaBook:
    """Every version of the quotas of some plans, newest first, to be asked which one is in force."""

    versions: dict[QuotaKey, list[QuotaVersion]]

    def in_force(
        self, plan_id: str, usage_type_id: str, subscription_id: str, *, period_start: datetime, at: datetime
    ) -> QuotaVersion | None:
        """The version for the segment that begins ``at``, of a period that begins at ``period_start``.

        A version counts from the first period that begins after it, an immediate one from its instant. The
        subscription's own quota goes before the plan's. None when there is no quota for the type.
        """
        for key in ((plan_id, usage_type_id, subscription_id), (plan_id, usage_type_id, None)):
            for quota in self.versions.get(key, ()):
                if quota.effective_from <= (at if quota.immediate else period_start):
                    return quota
        return None

    def cuts(
        self, plan_id: str, usage_type_id: str, subscription_id: str, *, period_start: datetime, start: datetime
    ) -> Sequence[datetime]:
        """The instants after ``start`` at which a version took effect at once, if it did so for this subscription.

        The plan's versions change nothing for one that has its own quota, so they cut nothing either.
        """
        keys = ((plan_id, usage_type_id, subscription_id), (plan_id, usage_type_id, None))
        instants = {q.effective_from for key in keys for q in self.versions.get(key, ()) if q.immediate}
        found: list[datetime] = []
        before = self.in_force(*keys[0], period_start=period_start, at=start)
        for instant in sorted(instant for instant in instants if instant > start):
            after = self.in_force(*keys[0], period_start=period_start, at=instant)
            if after is not before:
                found.append(instant)
            before = after
        return found

    def by_id(self, quota_id: int | None) -> QuotaVersion | None:
        """One version."""
        return next((quota for found in self.versions.values() for quota in found if quota.id == quota_id), None)

    def has_minimum(self, plan_id: str, subscription_id: str) -> bool:
        """Whether any version of the plan's quotas, or of the subscription's own, has a minimum."""
        return any(
            "minimumAmount" in quota.price
            for key, found in self.versions.items()
            if key[0] == plan_id and key[2] in {None, subscription_id}
            for quota in found
        )

    def usage_types_of(self, plan_id: str, subscription_id: str) -> list[str]:
        """The usage types that the plan, or the subscription for itself, has a quota for."""
        return sorted({key[1] for key in self.versions if key[0] == plan_id and key[2] in {None, subscription_id}})
