"""First stage of the chain: bring the marks and totals of usage under the quota that is in force.

The totals themselves are kept as usage arrives. What is left to do is rare: usage that was counted before its
quota existed is divided at the allowance now, in the order recorded.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.queries import QuotaBook
from usage_billing.metering.service import remark
from usage_billing.metering.split import beyond
from usage_billing.metering.summaries import Unrated


def aggregate(
    session: Session, summaries: Sequence[Unrated], *, plans: dict[str, str], quotas: QuotaBook
) -> dict[int, UsageQuota]:
    """Put locked summaries under their quota; returns it by summary id. ``plans`` maps subscription to plan."""
    in_force: dict[int, UsageQuota] = {}
    for summary in summaries:
        quota = quotas.for_period(
            plans[summary.subscription_id], summary.usage_type_id, period_start=summary.period_start
        )
        if quota is None:
            continue
        in_force[summary.id] = quota
        if summary.quota_id != quota.id:
            summary.beyond_events = remark(session, summary.id, limit=quota.limit)
            summary.quota_id = quota.id
            summary.beyond_limit = beyond(summary.total, quota.limit)
    return in_force
