"""What is agreed with subscriptions: as it stands, locked for a run or only read, and as it would be."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.models import Plan
from usage_billing.catalog.own_terms import NOTHING_ENDS, OwnEnds
from usage_billing.catalog.queries import fees_of, hold_plans, plans_by_id, quotas_of
from usage_billing.db.session import once_while_agreed
from usage_billing.flows.billing.books import Agreements
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.openings import BilledSubscription, lock_to_bill, read_to_bill
from usage_billing.subscriptions.queries import timelines_of


def lock_agreements(session: Session, ids: Collection[str]) -> Agreements:
    """What is agreed with these subscriptions, which are locked, and so are the plans that they are or were on."""
    return _agreements(session, lock_to_bill(session, ids), read_plans=hold_plans)


def read_agreements(session: Session, ids: Collection[str]) -> Agreements:
    """What is agreed with these subscriptions, as it stands."""
    key = ("agreements", frozenset(ids))
    found = once_while_agreed(
        session, key, lambda: _agreements(session, read_to_bill(session, ids), read_plans=plans_by_id)
    )
    # Billing notes in a subscription how far it has looked.
    return found._replace(subscriptions={name: replace(one) for name, one in found.subscriptions.items()})


def _agreements(
    session: Session,
    subscriptions: dict[str, BilledSubscription],
    *,
    read_plans: Callable[[Session, Collection[str]], dict[str, Plan]],
) -> Agreements:
    timelines = timelines_of(session, subscriptions.keys())
    plans = read_plans(session, {term.plan_id for line in timelines.values() for term in line.terms})
    quotas = quotas_of(session, plans, subscription_ids=subscriptions)
    return Agreements(subscriptions, timelines, plans, quotas, fees_of(session, plans, subscription_ids=subscriptions))


def changed_agreements(
    session: Session,
    before: Agreements,
    timeline: Timeline,
    *,
    since: datetime,
    ends: OwnEnds = NOTHING_ENDS,
    at: datetime,
) -> Agreements:
    """``before``, of one subscription, with another timeline, which billing has not looked at from ``since`` on.

    What ``ends`` of the subscription's own terms ends at ``at``.
    """
    ((name, one),) = before.subscriptions.items()
    plans = plans_by_id(session, {term.plan_id for term in timeline.terms} | before.plans.keys())
    opens_at = since if one.opens_at is None else min(one.opens_at, since)
    quotas = quotas_of(session, plans, subscription_ids=[name])
    fees = fees_of(session, plans, subscription_ids=[name])
    return Agreements(
        {name: replace(one, plan_id=timeline.terms[-1].plan_id, opens_at=opens_at)},
        {name: timeline},
        plans,
        quotas.ended(at) if ends.quotas else quotas,
        fees.ended(at) if ends.base_fee else fees,
    )


def reopened(before: Agreements, *, since: Mapping[str, datetime]) -> Agreements:
    """``before`` with subscriptions of its own, at each of which billing has not looked from ``since`` on."""
    looked = {
        name: replace(one, opens_at=since[name] if one.opens_at is None else min(one.opens_at, since[name]))
        for name, one in before.subscriptions.items()
    }
    return before._replace(subscriptions=looked)
