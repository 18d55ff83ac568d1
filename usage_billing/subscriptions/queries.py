"""Reading subscriptions."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan
from usage_billing.core.periods import Cadence
from usage_billing.subscriptions.lifecycle import ANNIVERSARY, Term, Terms, Timeline
from usage_billing.subscriptions.models import Subscription, SubscriptionTerm


def timelines_of(session: Session, subscription_ids: Collection[str]) -> dict[str, Timeline]:
    """The terms of these subscriptions, in order; those that do not exist are absent."""
    rows = session.execute(
        select(
            Subscription.id,
            Subscription.timezone,
            Subscription.anchor,
            Subscription.started_at,
            SubscriptionTerm.plan_id,
            SubscriptionTerm.starts_at,
            SubscriptionTerm.ends_at,
            SubscriptionTerm.paused,
            Plan.interval,
            Plan.interval_count,
            Plan.proration,
            Plan.prorates_edges,
        )
        .join(SubscriptionTerm, SubscriptionTerm.subscription_id == Subscription.id)
        .join(Plan, Plan.id == SubscriptionTerm.plan_id)
        .where(Subscription.id.in_(subscription_ids))
        .order_by(Subscription.id, SubscriptionTerm.starts_at)
    )
    found: dict[str, tuple[str, list[Term]]] = {}
    for row in rows:
        anchor = row.started_at if row.anchor == ANNIVERSARY else None
        term = Term(
            plan_id=row.plan_id,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            paused=row.paused,
            terms=Terms(
                cadence=Cadence(row.interval, row.interval_count, anchor),
                proration=row.proration,
                prorates_edges=row.prorates_edges,
            ),
        )
        found.setdefault(row.id, (row.timezone, []))[1].append(term)
    return {name: Timeline(zone, terms) for name, (zone, terms) in found.items()}
