"""Changes a subscription's plan, pauses, resumes and ends it: at once, at the period's end, or at an instant."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog.models import Plan
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.periods import Period
from usage_billing.db.locks import lock_shards
from usage_billing.invoicing.service import bring_drafts_forward
from usage_billing.metering.models import Usage, UsageVoid
from usage_billing.metering.recording import shard_of
from usage_billing.metering.settling import reopen_from
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.moments import NOW
from usage_billing.subscriptions.queries import timelines_of
from usage_billing.subscriptions.service import change_terms, lock_subscription

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a change takes effect: ``now``, at the ``period_end``, or at an aware instant."""

    moment: str | datetime = NOW

    def instant(self, timeline: Timeline, *, now: datetime) -> datetime:
        """The instant of the change; raises Conflict for the period's end when no period is under way."""
        if isinstance(self.moment, datetime):
            return self.moment
        if self.moment == NOW:
            return now
        running = timeline.segment_at(now)
        if running is None:
            raise Conflict("no period of the subscription is under way", code="not_running")
        return running.period.end


def change_plan(
    session: Session, subscription_id: str, *, plan_id: str, when: When, actor: str, now: datetime
) -> Subscription:
    """Move to another plan in the same currency; the period under way is divided at the moment of change.

    A paused subscription stays paused. Raises NotFound; InvalidInput for an unknown plan or another currency; Conflict
    when the subscription has not started or has ended by then, or usage occurred after that moment.
    """
    subscription = _lock(session, subscription_id)
    old, new = session.get_one(Plan, subscription.plan_id), session.get(Plan, plan_id)
    if new is None:
        raise InvalidInput.field("/planId", f"there is no plan {plan_id}", code="unknown_plan")
    if new.currency != old.currency:
        raise InvalidInput.field(
            "/planId", f"is in {new.currency}, the subscription is in {old.currency}", code="other_currency"
        )
    at = _change(session, subscription, when=when, now=now, plan_id=plan_id, paused=None)
    _note(session, subscription, actor, "subscription.plan_changed", at=at, now=now, planId=plan_id)
    return subscription


def pause(session: Session, subscription_id: str, *, when: When, actor: str, now: datetime) -> Subscription:
    """Pause a subscription: until it is resumed, usage that occurs is refused and nothing is charged.

    Raises NotFound; Conflict when it is paused already, has not started or has ended by then, or usage occurred after
    that moment.
    """
    subscription = _lock(session, subscription_id)
    timeline = timelines_of(session, [subscription_id])[subscription_id]
    at = when.instant(timeline, now=now)
    term = timeline.term_at(at)
    if term is not None and term.paused:
        raise Conflict("the subscription is paused then", code="already_paused")
    plan_id = subscription.plan_id if term is None else term.plan_id
    at = _change(session, subscription, when=When(moment=at), now=now, plan_id=plan_id, paused=True)
    _note(session, subscription, actor, "subscription.paused", at=at, now=now)
    return subscription


def resume(session: Session, subscription_id: str, *, when: When, actor: str, now: datetime) -> Subscription:
    """Resume a subscription on the plan that it was paused on; raises NotFound, and Conflict when it is not paused."""
    subscription = _lock(session, subscription_id)
    timeline = timelines_of(session, [subscription_id])[subscription_id]
    at = now if when.moment == NOW else when.instant(timeline, now=now)
    term = timeline.term_at(at)
    if term is None or not term.paused:
        raise Conflict("the subscription is not paused then", code="not_paused")
    at = _change(session, subscription, when=When(moment=at), now=now, plan_id=term.plan_id)
    _note(session, subscription, actor, "subscription.resumed", at=at, now=now)
    return subscription


def cancel(session: Session, subscription_id: str, *, when: When, actor: str, now: datetime) -> Subscription:
    """End a subscription; its final invoice is due at that moment.

    Raises NotFound; Conflict when it has not started or has ended by then, or usage occurred after that moment.
    """
    subscription = _lock(session, subscription_id)
    at = _change(session, subscription, when=when, now=now, plan_id=None)
    timeline = timelines_of(session, [subscription_id])[subscription_id]
    bring_drafts_forward(session, subscription_id, final=Period(_reckoned_from(timeline, at), at))
    _note(session, subscription, actor, "subscription.ended", at=at, now=now)
    return subscription


def _lock(session: Session, subscription_id: str) -> Subscription:
    # Lock the shard first, as recording does. While it is locked no worker records on either side of the cut.
    lock_shards(session, [shard_of(subscription_id)])
    return lock_subscription(session, subscription_id)


def _change(
    session: Session,
    subscription: Subscription,
    *,
    when: When,
    now: datetime,
    plan_id: str | None,
    paused: bool | None = False,
) -> datetime:
    timeline = timelines_of(session, [subscription.id])[subscription.id]
    at = when.instant(timeline, now=now)
    if session.scalar(select(_counts_from(subscription.id, at))):
        raise Conflict("usage is recorded that occurred after that moment; choose a later one", code="usage_later")
    if paused is None:
        term = timeline.term_at(at)
        paused = term is not None and term.paused
    change_terms(session, subscription, at=at, plan_id=plan_id, paused=paused)
    # Billing works out anew what the period under way owes, its base fee as well as its usage.
    since = _reckoned_from(timeline, at)
    subscription.opens_at = since if subscription.opens_at is None else min(subscription.opens_at, since)
    reopen_from(session, subscription.id, since=since)
    session.flush()
    return at


def _counts_from(subscription_id: str, at: datetime) -> ColumnElement[bool]:
    """Whether any usage that occurred at ``at`` or later counts, which means it was not voided."""
    voided = exists().where(UsageVoid.usage_id == Usage.id)
    return exists().where(Usage.of(subscription_id), Usage.since(at), ~voided)


def _reckoned_from(timeline: Timeline, at: datetime) -> datetime:
    """The start of the earliest period that a change at ``at`` may divide anew or invoice at another time."""
    since = at
    for term in timeline.terms:
        if not term.paused and term.starts_at < at:
            last = at if term.ends_at is None else min(at, term.ends_at)
            segment = timeline.segment_at(last - _INSTANT)
            if segment is not None and segment.period.end >= at:
                since = min(since, segment.period.start)
    return since


def _note(
    session: Session, subscription: Subscription, actor: str, action: str, *, at: datetime, now: datetime, **more: str
) -> None:
    subject = f"subscription:{subscription.id}"
    note(session, actor=actor, action=action, subject=subject, at=now, effectiveAt=at.isoformat(), **more)
