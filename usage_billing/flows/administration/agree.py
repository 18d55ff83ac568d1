"""A change of one subscription, whatever it is: locked, compared with what is agreed, stored, and reckoned anew."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict
from usage_billing.core.periods import Period
from usage_billing.db.locks import lock_shards
from usage_billing.flows.administration.situation import INSTANT, Situation, When
from usage_billing.flows.recording.void_later import void_later
from usage_billing.invoicing.service import bring_drafts_forward
from usage_billing.metering.recording import shard_of
from usage_billing.metering.settling import reopen_from
from usage_billing.metering.voids import later_usage
from usage_billing.subscriptions.agreed_changes import add_change, as_rule, changes_of, take_back, write_terms
from usage_billing.subscriptions.changes import Change, ChangeKind, Track, end_of, fold
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription, SubscriptionChange
from usage_billing.subscriptions.queries import timelines_of
from usage_billing.subscriptions.service import lock_subscription

MakeChange = Callable[[datetime], Change]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreedChange:
    """What became of a request: from when it holds, whether it changed anything, how many recordings it took back."""

    subscription: Subscription
    effective_at: datetime
    changed: bool
    voided_recordings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredChange:
    """A change that is asked for, before its moment is known; ``voids_later`` takes usage after it back."""

    kind: ChangeKind
    when: When
    plan_id: str | None = None
    voids_later: bool = False

    def at(self, instant: datetime) -> Change:
        """The change at that instant."""
        return Change(at=instant, kind=self.kind, plan_id=self.plan_id)


def lock(session: Session, subscription_id: str) -> Subscription:
    """Lock a subscription to change it; raises NotFound.

    The shard first, as those who record do: no other transaction is recording on either side of the cut.
    """
    lock_shards(session, [shard_of(subscription_id)])
    return lock_subscription(session, subscription_id)


def agree(
    session: Session, subscription: Subscription, desired: DesiredChange, *, action: str, actor: str, now: datetime
) -> AgreedChange:
    """Let a locked subscription be changed; what changes nothing is not stored.

    Raises Conflict where it does not fit: before the start, after the end, beside another change of that instant, or
    where usage lies after it.
    """
    rows = changes_of(session, subscription.id)
    timeline, changes = timelines_of(session, [subscription.id])[subscription.id], as_rule(rows)
    here = Situation(subscription_id=subscription.id, timeline=timeline, changes=changes, now=now)
    change = desired.at(here.instant(session, desired.when, track=desired.at(now).track))
    ended = end_of(changes)
    if change.kind == ChangeKind.END and ended is not None and (change.at == ended or _is_over(desired, ended, now)):
        return AgreedChange(subscription=subscription, effective_at=ended, changed=False)
    _check_fits(subscription, change, changes)
    replaced = [row for row in rows if change.kind == ChangeKind.END == row.kind]
    started = subscription.started_at
    if fold(started, [*_without(changes, change), change]) == fold(started, changes):
        return AgreedChange(subscription=subscription, effective_at=change.at, changed=False)
    until = here.until(change.at, track=change.track)
    voided = _free_of_usage(session, subscription, change, until=until, voids=desired.voids_later, actor=actor, now=now)
    for row in replaced:
        take_back(session, row, by=actor, now=now)
    add_change(session, subscription, change, by=actor, now=now)
    reckon_anew(session, subscription, before=timeline, at=change.at)
    told = {} if change.plan_id is None else {"planId": change.plan_id}
    note_change(session, subscription, action=action, at=change.at, actor=actor, now=now, **told)
    return AgreedChange(subscription=subscription, effective_at=change.at, changed=True, voided_recordings=voided)


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
    _free_of_usage(
        session, subscription, change, until=here.until(row.at, track=change.track), voids=False, actor=actor, now=now
    )
    take_back(session, row, by=actor, now=now)
    reckon_anew(session, subscription, before=timeline, at=row.at)
    kind = str(row.kind)
    note_change(
        session, subscription, action="subscription.taken_back", at=row.at, actor=actor, now=now, changeId=row.id,
        kind=kind,
    )  # fmt: skip
    return True


def reckon_anew(session: Session, subscription: Subscription, *, before: Timeline, at: datetime) -> None:
    """Write the terms as they follow from the changes, and let billing look again at what that may change."""
    write_terms(session, subscription)
    timeline = timelines_of(session, [subscription.id])[subscription.id]
    # What the period under way owes is reckoned anew, its base fee as well as its usage.
    since = min(_reckoned_from(before, at), _reckoned_from(timeline, at))
    subscription.opens_at = since if subscription.opens_at is None else min(subscription.opens_at, since)
    subscription.version += 1
    reopen_from(session, subscription.id, since=since)
    if subscription.ended_at == at:
        bring_drafts_forward(session, subscription.id, final=Period(_reckoned_from(before, at), at))
    session.flush()


def note_change(
    session: Session, subscription: Subscription, *, action: str, at: datetime, actor: str, now: datetime, **more: Any
) -> None:
    """Remember in the audit log what was changed, by whom, and from when it holds."""
    subject = f"subscription:{subscription.id}"
    note(session, actor=actor, action=action, subject=subject, at=now, effectiveAt=at.isoformat(), **more)


def _is_over(desired: DesiredChange, ended: datetime, now: datetime) -> bool:
    """Whether the end is asked for of one that has ended already, at no moment of its own."""
    return not isinstance(desired.when.moment, datetime) and ended <= now


def _without(changes: list[Change], change: Change) -> list[Change]:
    """The changes that stay beside ``change``: a new end takes the place of the one before."""
    return [one for one in changes if not (change.kind == ChangeKind.END == one.kind)]


def _check_fits(subscription: Subscription, change: Change, changes: list[Change]) -> None:
    ended = end_of(changes)
    if change.at <= subscription.started_at:
        raise Conflict("the subscription has not started by then", code="not_started")
    if ended is not None and ended <= change.at:
        message = f"the subscription ends at {ended.isoformat()}; choose an earlier moment, or take the end back"
        raise Conflict(message, code="already_ended")
    beside = [one for one in changes if one.track == change.track != Track.END and one.at == change.at]
    if any((one.kind, one.plan_id) != (change.kind, change.plan_id) for one in beside):
        message = f"another change is agreed for {change.at.isoformat()}; take that one back first"
        raise Conflict(message, code="conflicting_change")


def _free_of_usage(
    session: Session,
    subscription: Subscription,
    change: Change,
    *,
    until: datetime | None,
    voids: bool,
    actor: str,
    now: datetime,
) -> int:
    """Refuse what usage lies after, or take that back; returns how many recordings were taken back."""
    later = later_usage(session, subscription.id, since=change.at, until=until)
    if later is None:
        return 0
    if voids:
        return void_later(session, subscription.id, later, since=change.at, until=until, actor=actor, now=now)
    message = (
        f"{later.recordings} recordings that count occurred after that moment; the first possible one is"
        f" {later.first_free.isoformat()}"
    )
    raise Conflict(message, code="usage_later")


def _reckoned_from(timeline: Timeline, at: datetime) -> datetime:
    """Where the periods begin that a change at ``at`` may change: how they are divided, or when they are invoiced."""
    since = at
    for term in timeline.terms:
        if not term.paused and term.starts_at < at:
            last = at if term.ends_at is None else min(at, term.ends_at)
            segment = timeline.segment_at(last - INSTANT)
            if segment is not None and segment.period.end >= at:
                since = min(since, segment.period.start)
    return since
