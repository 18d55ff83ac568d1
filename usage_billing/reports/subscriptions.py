"""Subscriptions with their terms and what is planned, as they are shown."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from usage_billing.subscriptions.agreed_changes import changes_by_subscription
from usage_billing.subscriptions.models import Subscription, SubscriptionChange, SubscriptionTerm
from usage_billing.subscriptions.queries import terms_by_subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionView:
    """A subscription at a moment: ``plan_id`` is the plan that it is on then, ``scheduled`` what is still to come."""

    subscription: Subscription
    plan_id: str
    terms: Sequence[SubscriptionTerm]
    scheduled: Sequence[SubscriptionChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSubscriptionView(SubscriptionView):
    """A subscription after a request to change it: from when that holds, and whether it changed anything.

    ``voided_recordings`` is how many recordings were taken back with it; ``foreseen`` is what a dry run showed.
    """

    effective_at: datetime
    changed: bool
    voided_recordings: int
    foreseen: object | None


def subscription_views(
    session: Session, subscriptions: Sequence[Subscription], *, now: datetime
) -> list[SubscriptionView]:
    """These subscriptions with their terms and what is planned, in order, read at once."""
    ids = [subscription.id for subscription in subscriptions]
    terms, changes = terms_by_subscription(session, ids), changes_by_subscription(session, ids)
    return [
        SubscriptionView(
            subscription=one,
            plan_id=_plan_at(terms.get(one.id, []), now) or one.plan_id,
            terms=terms.get(one.id, []),
            scheduled=[c for c in changes.get(one.id, []) if c.at > now and c.at > one.started_at],
        )
        for one in subscriptions
    ]


def subscription_view(session: Session, subscription: Subscription, *, now: datetime) -> SubscriptionView:
    """One of them."""
    return subscription_views(session, [subscription], now=now)[0]


class Done(Protocol):
    """What became of a request to change a subscription."""

    @property
    def subscription(self) -> Subscription:
        """The subscription as it is after it."""

    @property
    def effective_at(self) -> datetime:
        """From when the change holds."""

    @property
    def changed(self) -> bool:
        """Whether it changed anything."""

    @property
    def voided_recordings(self) -> int:
        """How many recordings were taken back with it."""

    @property
    def foreseen(self) -> object | None:
        """What it would charge, of a dry run."""


def changed_view(session: Session, done: Done, *, now: datetime) -> ChangedSubscriptionView:
    """The subscription after it was changed."""
    view = subscription_view(session, done.subscription, now=now)
    return ChangedSubscriptionView(
        **{field.name: getattr(view, field.name) for field in fields(SubscriptionView)},
        effective_at=done.effective_at,
        changed=done.changed,
        voided_recordings=done.voided_recordings,
        foreseen=done.foreseen,
    )


def _plan_at(terms: Sequence[SubscriptionTerm], now: datetime) -> str | None:
    """The plan at ``now``: before the start the first one, after the end the last one."""
    begun = [term.plan_id for term in terms if term.starts_at <= now]
    return begun[-1] if begun else terms[0].plan_id if terms else None
