"""A change of one subscription, whatever it is: locked, compared with what is agreed, stored, and reckoned anew."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.alerts.service import look_at
from usage_billing.audit.service import note
from usage_billing.catalog.own_terms import NOTHING_ENDS, OwnEnds, end_own_terms, restore_own_terms
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.periods import Period
from usage_billing.db.locks import lock_shards
from usage_billing.flows.administration.decide import DesiredChange, check_free, decide, reckoned_from
from usage_billing.flows.administration.facts import tell_subscription
from usage_billing.flows.administration.situation import Situation
from usage_billing.flows.billing.foresee import Foreseen, TermsChange, foresee
from usage_billing.flows.billing.slots import ADJUSTMENT_SPAN
from usage_billing.flows.folding.fold_meters import fold_subscriptions
from usage_billing.flows.folding.reckon_meters import reckon_meters
from usage_billing.flows.recording.void_later import void_later
from usage_billing.invoicing.service import bring_drafts_forward
from usage_billing.metering.recording import shard_of
from usage_billing.metering.settling import reopen_from
from usage_billing.subscriptions.agreed_changes import (
    add_change,
    as_rule,
    changes_of,
    keep_divided,
    take_back,
    write_terms,
)
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription, SubscriptionChange
from usage_billing.subscriptions.queries import get_subscription, timelines_of
from usage_billing.subscriptions.service import lock_subscription
from usage_billing.wire.event_type import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class Precaution:
    """How careful a change is: only looked at, or refused unless it does what an earlier look showed.

    ``adjust_within`` is how long adjustments may wait for a draft.
    """

    dry_run: bool = False
    expected_digest: str | None = None
    adjust_within: timedelta = ADJUSTMENT_SPAN

    def __post_init__(self) -> None:
        if self.dry_run and self.expected_digest is not None:
            message = "is for real changes; a dry run shows its own"
            raise InvalidInput.field("/expectedDigest", message, code="contradiction")


_CHANGED = EventType.SUBSCRIPTION_CHANGED
_TOPICS = {
    "subscription.paused": EventType.SUBSCRIPTION_PAUSED,
    "subscription.resumed": EventType.SUBSCRIPTION_RESUMED,
    "subscription.ended": EventType.SUBSCRIPTION_CANCELLED,
}

PLAIN = Precaution()
"""Neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedChange:
    """What became of a request: from when it holds, whether it changed anything, how many recordings it took back.

    ``foreseen`` is what it would charge, of a dry run, which changes nothing, and ``ends`` what of its own would end.
    ``replayable`` are recordings in quarantine that fit since a start was moved.
    """

    subscription: Subscription
    effective_at: datetime
    changed: bool
    voided_recordings: int = 0
    foreseen: Foreseen | None = None
    replayable: Sequence[UUID] | None = None
    ends: OwnEnds = NOTHING_ENDS


def enter(session: Session, subscription_id: str, precaution: Precaution) -> Subscription:
    """Lock a subscription to change it; for a dry run it is only read. Raises NotFound."""
    return get_subscription(session, subscription_id) if precaution.dry_run else lock(session, subscription_id)


def lock(session: Session, subscription_id: str) -> Subscription:
    """Lock a subscription to change it; raises NotFound.

    The shard first, as those who record do: no other transaction is recording on either side of the cut.
    """
    lock_shards(session, [shard_of(subscription_id)])
    return lock_subscription(session, subscription_id)


def agree(
    session: Session,
    subscription: Subscription,
    desired: DesiredChange,
    *,
    action: str,
    actor: str,
    now: datetime,
    precaution: Precaution = PLAIN,
) -> AgreedChange:
    """Let a subscription that ``enter`` gave be changed; what changes nothing is not stored, nor is a dry run.

    Raises Conflict where it does not fit: before the start, after the end, beside another change of that instant,
    where usage lies after it, or where it would not do what was expected.
    """
    decision = decide(session, subscription, desired, now=now)
    change, voided = decision.change, 0 if decision.later is None else decision.later.recordings
    foreseen = look(session, lambda: decision.terms(session), precaution, now=now)
    if precaution.dry_run:
        return AgreedChange(
            subscription=subscription,
            effective_at=change.at,
            changed=decision.changes,
            voided_recordings=voided,
            foreseen=foreseen,
            ends=decision.ends,
        )
    if not decision.changes:
        return AgreedChange(subscription=subscription, effective_at=change.at, changed=False)
    if decision.later is not None:
        until = decision.until
        void_later(session, subscription.id, decision.later, since=change.at, until=until, actor=actor, now=now)
    for row in decision.replaced:
        take_back(session, row, by=actor, now=now)
    keep_divided(session, subscription.id, decision.divided)
    row = add_change(session, subscription, change, by=actor, now=now)
    if decision.ends != NOTHING_ENDS:
        end_own_terms(session, subscription.id, decision.ends, at=change.at, by=row.id)
    reckon_anew(session, subscription, before=decision.timeline, at=change.at)
    reckon_meters(session, [subscription.id], now=now)
    told = {} if change.plan_id is None else {"planId": change.plan_id}
    note_change(session, subscription, action=action, at=change.at, actor=actor, now=now, **told)
    return AgreedChange(subscription=subscription, effective_at=change.at, changed=True, voided_recordings=voided)


def look(
    session: Session, terms: Callable[[], TermsChange], precaution: Precaution, *, now: datetime
) -> Foreseen | None:
    """What a change would charge, if that is to be shown or is expected; None otherwise.

    Raises Conflict (``digest_changed``) where it would not do what was expected.
    """
    if not precaution.dry_run and precaution.expected_digest is None:
        return None
    change = terms()
    if not precaution.dry_run:  # what a look counted before it was made
        fold_subscriptions(session, change.turns, as_of=now)
    (foreseen,) = foresee(session, change, now=now, adjust_within=precaution.adjust_within).values()
    if not precaution.dry_run and foreseen.digest != precaution.expected_digest:
        message = "the change would charge something else than expected; look at it again"
        raise Conflict(message, code="digest_changed")
    return foreseen


def withdraw(
    session: Session, subscription: Subscription, row: SubscriptionChange, *, actor: str, now: datetime
) -> bool:
    """Take back a planned change of a locked subscription; returns whether that changed anything.

    Raises Conflict when it has happened, and when usage is recorded that occurred after its moment.
    """
    if row.taken_back_at is not None:
        return False
    if row.at <= now:
        raise Conflict(f"change {row.id} has happened, at {row.at.isoformat()}", code="change_happened")
    timeline = timelines_of(session, [subscription.id])[subscription.id]
    changes = as_rule(changes_of(session, subscription.id))
    here = Situation(subscription_id=subscription.id, timeline=timeline, changes=changes, now=now)
    (change,) = as_rule([row])
    check_free(session, subscription, change, until=here.until(row.at, track=change.track), voids=False)
    take_back(session, row, by=actor, now=now)
    restore_own_terms(session, subscription.id, by=row.id)
    reckon_anew(session, subscription, before=timeline, at=row.at)
    reckon_meters(session, [subscription.id], now=now)
    kind = str(row.kind)
    note_change(
        session, subscription, action="subscription.taken_back", at=row.at, actor=actor, now=now, changeId=row.id,
        kind=kind,
    )  # fmt: skip
    return True


def reckon_anew(session: Session, subscription: Subscription, *, before: Timeline, at: datetime) -> None:
    """Write the terms as they follow from the changes, and let billing look again at what that may change.

    The caller lets meters come to what they do by these terms (``reckon_meters``).
    """
    write_terms(session, subscription)
    timeline = timelines_of(session, [subscription.id])[subscription.id]
    # What the period under way owes is reckoned anew, its base fee as well as its usage.
    since = reckoned_from(before, timeline, at)
    subscription.opens_at = since if subscription.opens_at is None else min(subscription.opens_at, since)
    subscription.version += 1
    reopen_from(session, subscription.id, since=since)
    look_at(session, [subscription.id])
    if subscription.ended_at == at:
        bring_drafts_forward(session, subscription.id, final=Period(before.period_cut_at(at), at))
    session.flush()


def note_change(
    session: Session, subscription: Subscription, *, action: str, at: datetime, actor: str, now: datetime, **more: Any
) -> None:
    """Remember in the audit log what was changed, by whom, and from when it holds; and tell it.

    What is planned, or taken back, tells ``subscription.changed``: the subscription says what is to come.
    """
    topic = _TOPICS.get(action, _CHANGED) if at <= now else _CHANGED
    tell_subscription(session, subscription, topic, at=at, now=now)
    subject = f"subscription:{subscription.id}"
    note(session, actor=actor, action=action, subject=subject, at=now, effectiveAt=at.isoformat(), **more)
