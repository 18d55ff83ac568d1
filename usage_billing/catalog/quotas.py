"""Versions of quotas, and which of them is in force when. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from usage_billing.rating.price import has_minimum

QuotaKey = tuple[str, str, str | None]
"""(plan id, usage type id, id of the subscription whose own quota it is, or None for the plan's quota)."""


class QuotaVersion(NamedTuple):
    """One version of a quota, for arithmetic. ``limit`` is the allowance per period; with None nothing is charged."""

    id: int
    version: int
    immediate: bool
    limit: Decimal | None
    price: dict[str, Any]
    unit_name: str
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class QuotaBook:
    """Every version of the quotas of some plans, newest first; it answers which version is in force."""

    versions: dict[QuotaKey, list[QuotaVersion]]

    def in_force(
        self, plan_id: str, usage_type_id: str, subscription_id: str, *, period_start: datetime, at: datetime
    ) -> QuotaVersion | None:
        """The version for the segment that begins ``at``, of a period that begins at ``period_start``.

        A version counts from the first period that begins at its ``effective_from`` or later, an immediate one from
        ``effective_from`` itself. The subscription's own quota goes before the plan's. The result is None when the
        usage type has no quota.
        """
        for key in ((plan_id, usage_type_id, subscription_id), (plan_id, usage_type_id, None)):
            for quota in self.versions.get(key, ()):
                if quota.effective_from <= (at if quota.immediate else period_start):
                    return quota
        return None

    def cuts(
        self, plan_id: str, usage_type_id: str, subscription_id: str, *, period_start: datetime, start: datetime
    ) -> Sequence[datetime]:
        """The instants after ``start`` at which an immediate version takes effect for this subscription, in order.

        While the subscription has its own quota, the plan's versions change nothing for it, and so cut nothing.
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
        """The version with this id; None when it is not in the book."""
        return next((quota for found in self.versions.values() for quota in found if quota.id == quota_id), None)

    def has_minimum(self, plan_id: str, subscription_id: str) -> bool:
        """Whether any version of the plan's quotas, or of the subscription's own, has a minimum amount."""
        return any(
            has_minimum(quota.price)
            for key, found in self.versions.items()
            if key[0] == plan_id and key[2] in {None, subscription_id}
            for quota in found
        )

    def usage_types_of(self, plan_id: str, subscription_id: str) -> list[str]:
        """The usage types for which the plan has a quota, or the subscription has its own; sorted."""
        return sorted({key[1] for key in self.versions if key[0] == plan_id and key[2] in {None, subscription_id}})
