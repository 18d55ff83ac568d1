"""What must be known of the catalogue to count a batch, read as sets before the first recording is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageType
from usage_billing.catalog.queries import QuotaBook, quotas_of
from usage_billing.core.periods import Period, period_at
from usage_billing.metering.recording import Recording
from usage_billing.metering.service import Refused
from usage_billing.metering.summaries import SummaryKey
from usage_billing.subscriptions.models import Subscription


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a recording needs of its subscription."""

    customer_id: str
    plan_id: str
    started_at: datetime
    ended_at: datetime | None
    timezone: str


@dataclass(slots=True)
class Context:
    """The subscriptions, usage types and quotas behind one batch."""

    agreements: dict[str, Agreement]
    usage_types: frozenset[str]
    quotas: QuotaBook
    _periods: dict[str, Period] = field(default_factory=dict)

    def refusal(self, recording: Recording) -> Refused | None:
        """Why ``recording`` cannot be counted; None when it can."""
        agreement = self.agreements.get(recording.subscription_id)
        if agreement is None:
            return Refused(recording, "unknown_subscription", f"there is no subscription {recording.subscription_id}")
        if recording.usage_type not in self.usage_types:
            return Refused(recording, "unknown_usage_type", f"there is no usage type {recording.usage_type}")
        if recording.customer_id != agreement.customer_id:
            return Refused(
                recording,
                "wrong_customer",
                f"subscription {recording.subscription_id} is not {recording.customer_id}'s",
            )
        if recording.occurred_at < agreement.started_at:
            return Refused(recording, "outside_subscription", "it occurred before the subscription started")
        if agreement.ended_at is not None and recording.occurred_at >= agreement.ended_at:
            return Refused(recording, "outside_subscription", "it occurred after the subscription ended")
        return None

    def period(self, recording: Recording) -> Period:
        """The billing period that ``recording`` belongs to, on its subscription's calendar."""
        zone = self.agreements[recording.subscription_id].timezone
        last = self._periods.get(zone)
        if last is None or recording.occurred_at not in last:
            last = self._periods[zone] = period_at(recording.occurred_at, zone=zone)
        return last

    def quota_id(self, key: SummaryKey) -> int | None:
        """The quota version in force for a period."""
        plan_id = self.agreements[key.subscription_id].plan_id
        quota = self.quotas.for_period(plan_id, key.usage_type_id, period_start=key.period_start)
        return None if quota is None else quota.id


def load_context(session: Session, recordings: Sequence[Recording]) -> Context:
    """Read what these recordings refer to; what does not exist is absent."""
    rows = session.execute(
        select(
            Subscription.id,
            Subscription.customer_id,
            Subscription.plan_id,
            Subscription.started_at,
            Subscription.ended_at,
            Subscription.timezone,
        ).where(Subscription.id.in_({recording.subscription_id for recording in recordings}))
    )
    agreements = {row[0]: Agreement(*row[1:]) for row in rows}
    types = session.scalars(select(UsageType.id).where(UsageType.id.in_({r.usage_type for r in recordings})))
    return Context(
        agreements=agreements,
        usage_types=frozenset(types),
        quotas=quotas_of(session, {agreement.plan_id for agreement in agreements.values()}),
    )
