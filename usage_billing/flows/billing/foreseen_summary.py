"""A summary that billing would make, in memory."""

from decimal import Decimal

from usage_billing.metering.digest import to_bytes
from usage_billing.metering.new_summaries import NewSummary
from usage_billing.metering.unrated import UnratedSummary

_NOTHING = Decimal(0)


def empty_summary(id: int, new: NewSummary) -> UnratedSummary:
    """What billing would store without any usage."""
    return UnratedSummary(
        id=id,
        subscription_id=new.key.subscription_id,
        usage_type_id=new.key.usage_type_id,
        period_start=new.key.period_start,
        period_end=new.period_end,
        bills_at=new.bills_at,
        quota_id=new.quota_id,
        allowance=new.allowance,
        total=_NOTHING,
        beyond_limit=_NOTHING,
        events=0,
        beyond_events=0,
        voids=0,
        events_hash=to_bytes(0),
        boundary=None,
        frozen=False,
    )


def take_over(summary: UnratedSummary, other: UnratedSummary) -> None:
    """Let a summary come to what another one does."""
    summary.total, summary.allowance, summary.beyond_limit = other.total, other.allowance, other.beyond_limit
    summary.beyond_events, summary.events_hash = other.beyond_events, other.events_hash
