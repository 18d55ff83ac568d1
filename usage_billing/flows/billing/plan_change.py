"""A version of a plan's quota, or of its base fee, that is looked at before it is made."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from usage_billing.billing_runs.foreseen import ForeseenChange
from usage_billing.catalog.fees import FeeVersion
from usage_billing.catalog.quotas import QuotaVersion
from usage_billing.core.choices import Effective
from usage_billing.core.clock import instant_text
from usage_billing.core.versions import ALWAYS, effective_instant
from usage_billing.flows.billing.books import Agreements
from usage_billing.subscriptions.lifecycle import Timeline

AT_A_TIME = 250
"""Subscriptions that are reckoned together: where each has periods of its own, billing in memory takes them one by one,
and a slice still ends within seconds."""
SUBSCRIBED = "SELECT DISTINCT subscription_id AS id FROM subscription_terms WHERE plan_id = :plan"
"""The subscriptions that are, were or will be on a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanChange:
    """A version that is not stored: of the quota of a plan for ``usage_type``, or of the plan's base fee.

    Either ``quota`` or ``fee`` is None.
    """

    plan_id: str
    currency: str
    usage_type: str | None = None
    quota: QuotaVersion | None = None
    fee: FeeVersion | None = None

    def holds_from(self, timeline: Timeline) -> datetime | None:
        """From when it holds for a subscription, its start at the earliest; None where it never does."""
        holder, version = timeline.holder_of(self.plan_id), self.quota or self.fee
        instant = None if holder is None or version is None else effective_instant(version, holder)
        if instant is None:
            return None
        begun, ended = timeline.terms[0].starts_at, timeline.terms[-1].ends_at
        at = begun if instant == ALWAYS else max(instant, begun)
        return None if ended is not None and ended <= at else at

    def made_in(self, agreements: Agreements) -> Agreements:
        """What is agreed once it is made."""
        quotas, fees = agreements.quotas, agreements.fees
        if self.quota is not None and self.usage_type is not None:
            quotas = quotas.with_version(self.usage_type, self.quota, owner=None)
        if self.fee is not None:
            fees = fees.with_version(self.fee)
        return agreements._replace(quotas=quotas, fees=fees)

    def unseen(self) -> ForeseenChange:
        """What is found of it before a subscription is looked at.

        A version that holds from one instant is asked for by that; another by the word that it was asked for by.
        """
        version = self.quota or self.fee
        if version is None:
            raise ValueError("a change of a plan is of a quota or of a fee")
        effective = instant_text(version.effective_from) if version.exact else str(Effective(version.effective))
        return ForeseenChange(
            plan_id=self.plan_id,
            usage_type=self.usage_type,
            currency=self.currency,
            effective=effective,
            effective_from=version.effective_from,
        )

    def to_json(self) -> dict[str, Any]:
        """As it is stored with the run that looks at it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "PlanChange":
        """What ``to_json`` wrote."""
        return msgspec.convert(stored, cls)
