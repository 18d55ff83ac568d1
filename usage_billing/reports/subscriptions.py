"""A subscription after a request to change it, as it is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.catalog.own_terms import OwnEnds, own_terms_after
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.views import SubscriptionView, subscription_view


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedSubscriptionView(SubscriptionView):
    """A subscription after a request to change it: from when that holds, and whether it changed anything.

    ``voided_recordings`` is how many recordings were taken back with it; ``foreseen`` is what a dry run showed.
    ``replayable`` are recordings in quarantine that fit since its start was moved, ``own`` the quotas and the base fee
    that stay its own.
    """

    effective_at: datetime
    changed: bool
    voided_recordings: int
    foreseen: object | None
    replayable: Sequence[UUID] | None
    own: Mapping[str, object]


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

    @property
    def replayable(self) -> Sequence[UUID] | None:
        """Recordings in quarantine that fit since then."""

    @property
    def ends(self) -> OwnEnds:
        """What of its own ends with it."""


def changed_view(session: Session, done: Done, *, now: datetime) -> ChangedSubscriptionView:
    """The subscription after it was changed."""
    view = subscription_view(session, done.subscription, now=now)
    quotas, fee = own_terms_after(session, done.subscription.id, done.ends, at=max(done.effective_at, now))
    return ChangedSubscriptionView(
        **{field.name: getattr(view, field.name) for field in fields(SubscriptionView)},
        effective_at=done.effective_at,
        changed=done.changed,
        voided_recordings=done.voided_recordings,
        foreseen=done.foreseen,
        replayable=done.replayable,
        own={"quotas": quotas, "base_fee": None if fee is None else fee.base_fee},
    )
