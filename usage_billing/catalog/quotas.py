"""Versions of quotas. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from usage_billing.rating.price import has_minimum


class QuotaVersion(NamedTuple):
    """One version of a quota, for arithmetic. ``limit`` is the allowance per period; with None nothing is charged.

    ``plan_id`` is the plan that it was given for. From when it holds ``core.versions`` says.
    """

    id: int
    plan_id: str
    limit: Decimal | None
    price: dict[str, Any]
    unit_name: str
    effective: str
    exact: bool
    first: bool
    asked_at: datetime
    effective_from: datetime
    made_at: datetime
    ended_at: datetime | None


def ended_at(version: QuotaVersion, at: datetime) -> QuotaVersion:
    """A version that holds until ``at`` at most."""
    return version._replace(ended_at=at if version.ended_at is None else min(version.ended_at, at))


@dataclass(frozen=True, slots=True)
class QuotaBook:
    """The versions of the quotas of some plans, by plan and usage type, and of those that are some subscriptions' own.

    ``own`` goes by subscription and usage type.
    """

    listed: dict[tuple[str, str], list[QuotaVersion]]
    own: dict[tuple[str, str], list[QuotaVersion]]
    _ids: dict[int, QuotaVersion] = field(default_factory=dict)
    _types: dict[str, set[str]] = field(default_factory=dict)
    _own_types: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for found in (*self.listed.values(), *self.own.values()):
            self._ids.update((quota.id, quota) for quota in found)
        for types, keys in ((self._types, self.listed), (self._own_types, self.own)):
            for name, usage_type in keys:
                types.setdefault(name, set()).add(usage_type)

    def by_id(self, quota_id: int | None) -> QuotaVersion | None:
        """The version with this id; None when it is not in the book."""
        return None if quota_id is None else self._ids.get(quota_id)

    def has_minimum(self, plan_id: str, subscription_id: str) -> bool:
        """Whether any version of the plan's quotas, or of the subscription's own, has a minimum amount."""
        listed = (self.listed[plan_id, type] for type in self._types.get(plan_id, ()))
        own = (self.own[subscription_id, type] for type in self._own_types.get(subscription_id, ()))
        return any(has_minimum(quota.price) for found in (*listed, *own) for quota in found)

    def usage_types_of(self, plan_id: str, subscription_id: str) -> list[str]:
        """The usage types for which the plan has a quota, or the subscription has its own; sorted."""
        return sorted(self._types.get(plan_id, set()) | self._own_types.get(subscription_id, set()))

    def ended(self, at: datetime) -> "QuotaBook":
        """The book with all that is some subscription's own ended at ``at``."""
        own = {key: [ended_at(one, at) for one in found] for key, found in self.own.items()}
        return QuotaBook(self.listed, own)

    def with_version(self, usage_type: str, version: QuotaVersion, *, owner: str | None) -> "QuotaBook":
        """Another book with one more version: the subscription ``owner``'s own, or its plan's."""
        listed, own = dict(self.listed), dict(self.own)
        kind, name = (listed, version.plan_id) if owner is None else (own, owner)
        kind[name, usage_type] = [*kind.get((name, usage_type), ()), version]
        return QuotaBook(listed, own)

    def changed(self, change: Callable[[QuotaVersion], QuotaVersion | None]) -> "QuotaBook":
        """Another book, each version as ``change`` has it; without those for which that is None."""
        kept = (
            {key: [change(one) for one in found] for key, found in kind.items()} for kind in (self.listed, self.own)
        )
        listed, own = ({key: [one for one in found if one] for key, found in kind.items()} for kind in kept)
        return QuotaBook(listed, own)

    @property
    def cutting(self) -> tuple[set[str], set[str]]:
        """The plans, and the subscriptions, that have a version which may begin or end within a period."""
        plans = {key[0] for key, found in self.listed.items() if any(quota.exact for quota in found)}
        return plans, {subscription_id for subscription_id, _ in self.own}
