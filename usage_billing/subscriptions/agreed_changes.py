"""Writing what was agreed of a subscription, and the terms that follow from it."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.subscriptions.changes import Change, ChangeKind, fold
from usage_billing.subscriptions.models import Subscription, SubscriptionChange, SubscriptionTerm


def changes_by_subscription(session: Session, ids: Iterable[str]) -> dict[str, list[SubscriptionChange]]:
    """The changes of several subscriptions that hold, each in order; those that were taken back are left out."""
    found: dict[str, list[SubscriptionChange]] = {}
    statement = select(SubscriptionChange).where(
        SubscriptionChange.subscription_id.in_(set(ids)), SubscriptionChange.taken_back_at.is_(None)
    )
    for change in session.scalars(statement.order_by(SubscriptionChange.at, SubscriptionChange.id)):
        found.setdefault(change.subscription_id, []).append(change)
    return found


def changes_of(session: Session, subscription_id: str) -> list[SubscriptionChange]:
    """The changes of a subscription that hold, in order."""
    return changes_by_subscription(session, [subscription_id]).get(subscription_id, [])


def get_change(session: Session, subscription_id: str, change_id: int) -> SubscriptionChange:
    """One change of a subscription, taken back or not; raises NotFound."""
    found = session.get(SubscriptionChange, change_id)
    if found is None or found.subscription_id != subscription_id:
        raise NotFound(f"subscription {subscription_id} has no change {change_id}")
    return found


def as_rule(rows: Sequence[SubscriptionChange]) -> list[Change]:
    """These changes, to reckon with."""
    return [Change(at=row.at, kind=ChangeKind(row.kind), plan_id=row.plan_id, cuts=row.cuts) for row in rows]


def add_change(
    session: Session, subscription: Subscription, change: Change, *, by: str, now: datetime
) -> SubscriptionChange:
    """Store a change of a locked subscription; its terms are written by ``write_terms``."""
    row = SubscriptionChange(
        subscription_id=subscription.id,
        at=change.at,
        kind=change.kind,
        plan_id=change.plan_id,
        made_at=now,
        made_by=by,
    )
    session.add(row)
    session.flush()
    return row


def keep_divided(session: Session, subscription_id: str, instants: Collection[datetime]) -> None:
    """Let the terms of a locked subscription stay divided at these changes, also where both sides are the same."""
    for row in changes_of(session, subscription_id) if instants else ():
        row.cuts = row.cuts or row.at in instants
    session.flush()


def take_back(session: Session, row: SubscriptionChange, *, by: str, now: datetime) -> None:
    """Let a change count no more; the terms are written by ``write_terms``."""
    row.taken_back_at, row.taken_back_by = now, by
    session.flush()


def write_terms(session: Session, subscription: Subscription) -> None:
    """Write the terms of a locked subscription, its end and its last plan, as they follow from its changes."""
    spans = fold(subscription.started_at, as_rule(changes_of(session, subscription.id)))
    session.execute(
        delete(SubscriptionTerm).where(SubscriptionTerm.subscription_id == subscription.id),
        execution_options={"synchronize_session": "fetch"},
    )
    session.add_all(
        SubscriptionTerm(
            subscription_id=subscription.id,
            plan_id=span.plan_id,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            paused=span.paused,
        )
        for span in spans
    )
    subscription.plan_id, subscription.ended_at = spans[-1].plan_id, spans[-1].ends_at
    session.flush()
