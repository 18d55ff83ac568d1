"""What a request to change a subscription comes to, before anything is written: its moment, and whether it fits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.catalog.own_terms import NOTHING_ENDS, OwnEnds, own_terms_after
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.periods import Period
from usage_billing.flows.administration.quota_effects import check_ends_fit
from usage_billing.flows.administration.situation import Situation, When
from usage_billing.flows.billing.agreements import changed_agreements, read_agreements
from usage_billing.flows.billing.foresee import TermsChange
from usage_billing.flows.billing.turns import Turn
from usage_billing.flows.recording.void_later import check_few
from usage_billing.metering.voids import LaterUsage, counting_usage, later_usage
from usage_billing.subscriptions.agreed_changes import as_rule, changes_of
from usage_billing.subscriptions.changes import Change, ChangeKind, Track, end_of, fold
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription, SubscriptionChange
from usage_billing.subscriptions.queries import timeline_of, timelines_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredChange:
    """A change that is asked for, before its moment is known; ``voids_later`` takes usage after it back.

    ``ends`` are terms of the subscription's own that end with it.
    """

    kind: ChangeKind
    when: When
    plan_id: str | None = None
    voids_later: bool = False
    ends: OwnEnds = NOTHING_ENDS

    def at(self, instant: datetime) -> Change:
        """The change at that instant."""
        return Change(at=instant, kind=self.kind, plan_id=self.plan_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedChange:
    """What a request says of a change, whatever its kind; with ``dry_run`` it is only looked at.

    With ``expected_digest`` it is refused unless it does what that dry run showed.
    """

    when: When
    plan_id: str | None = None
    voids_later: bool = False
    ends: OwnEnds = NOTHING_ENDS
    dry_run: bool = False
    expected_digest: str | None = None

    def of(self, kind: ChangeKind) -> DesiredChange:
        """The change that it asks for."""
        return DesiredChange(
            kind=kind, when=self.when, plan_id=self.plan_id, voids_later=self.voids_later, ends=self.ends
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedSpan:
    """An end that a request asks for, or another start."""

    ended_at: datetime | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to become of a request.

    ``changes`` is False where it holds already. ``later`` is the usage after it that is to be taken back, up to
    ``until``; ``replaced`` are the changes whose place it takes. At the instants ``divided`` the terms stay divided.
    """

    subscription: Subscription
    timeline: Timeline
    kept: Sequence[Change]
    change: Change
    changes: bool
    replaced: Sequence[SubscriptionChange] = ()
    until: datetime | None = None
    later: LaterUsage | None = None
    ends: OwnEnds = NOTHING_ENDS
    divided: Collection[datetime] = ()

    def terms(self, session: Session) -> TermsChange:
        """What is agreed before and after it, to be billed in memory."""
        at, id = self.change.at, self.subscription.id
        spans = fold(self.subscription.started_at, [*self.kept, self.change] if self.changes else self.kept)
        line = timeline_of(session, self.subscription, spans)
        before = read_agreements(session, [id])
        since = reckoned_from(self.timeline, line, at)
        turn = Turn(
            at=at,
            since=since,
            gone={} if self.later is None else _gone(session, id, since=at, until=self.until),
            until=self.until,
            last=Period(self.timeline.period_cut_at(at), at) if spans[-1].ends_at == at else None,
        )
        return TermsChange(
            before=before,
            after=changed_agreements(session, before, line, since=since, ends=self.ends, at=at)
            if self.changes
            else read_agreements(session, [id]),
            turns={id: turn},
        )


def decide(session: Session, subscription: Subscription, desired: DesiredChange, *, now: datetime) -> Decision:
    """Find the moment of a change, and whether it fits and changes anything; nothing is written."""
    rows = changes_of(session, subscription.id)
    timeline, changes = timelines_of(session, [subscription.id])[subscription.id], as_rule(rows)
    here = Situation(subscription_id=subscription.id, timeline=timeline, changes=changes, now=now)
    change = desired.at(here.instant(session, desired.when, track=desired.at(now).track))
    ended = end_of(changes)
    if change.kind == ChangeKind.END and ended is not None and (change.at == ended or _is_over(desired, ended, now)):
        same = desired.at(ended)
        return Decision(subscription=subscription, timeline=timeline, kept=changes, change=same, changes=False)
    _check_fits(subscription, change, changes)
    kept, started = _without(changes, change), subscription.started_at
    divided = stays_divided(started, changes, [*kept, change], now=now)
    if fold(started, [*kept, change]) == fold(started, changes):
        if desired.ends.quotas and own_terms_after(session, subscription.id, NOTHING_ENDS, at=change.at)[0]:
            message = "it is on the plan already, and stays; DELETE /api/quotas/:id ends a quota of its own"
            raise InvalidInput.field("/own", message, code="contradiction")
        return Decision(subscription=subscription, timeline=timeline, kept=changes, change=change, changes=False)
    until = here.until(change.at, track=change.track)
    if desired.ends.quotas:
        own, _ = own_terms_after(session, subscription.id, NOTHING_ENDS, at=change.at)
        check_ends_fit(session, subscription.id, own, at=change.at, until=until)
    return Decision(
        subscription=subscription,
        timeline=timeline,
        kept=[replace(one, cuts=one.cuts or one.at in divided) for one in kept],
        change=change,
        changes=True,
        divided=divided,
        replaced=[row for row in rows if change.kind == ChangeKind.END == row.kind],
        until=until,
        ends=desired.ends,
        later=check_free(session, subscription, change, until=until, voids=desired.voids_later),
    )


def stays_divided(
    started_at: datetime, before: Sequence[Change], after: Sequence[Change], *, now: datetime
) -> Collection[datetime]:
    """Where terms were divided by ``now``, and would be the same on both sides with the changes ``after``.

    What was used on either side was counted by itself, and stays so.
    """
    gone = {span.starts_at for span in fold(started_at, before)} - {span.starts_at for span in fold(started_at, after)}
    return frozenset(instant for instant in gone if instant <= now)


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


def check_free(
    session: Session, subscription: Subscription, change: Change, *, until: datetime | None, voids: bool
) -> LaterUsage | None:
    """Refuse what usage lies after, unless that is to be taken back; returns that usage."""
    later = later_usage(session, subscription.id, since=change.at, until=until)
    if later is not None and voids:
        check_few(later)
    if later is None or voids:
        return later
    message = (
        f"{later.recordings} recordings that count occurred after that moment; the first possible one is"
        f" {later.first_free.isoformat()}"
    )
    raise Conflict(message, code="usage_later")


def _gone(
    session: Session, subscription_id: str, *, since: datetime, until: datetime | None
) -> dict[int, frozenset[UUID]]:
    found = counting_usage(session, subscription_id, since=since, until=until)
    return {summary_id: frozenset(one.id for one in usage) for summary_id, usage in found.items()}


def reckoned_from(before: Timeline, after: Timeline, at: datetime) -> datetime:
    """From where on a change at ``at`` may change what is owed, or when it is invoiced."""
    return min(before.period_cut_at(at), after.period_cut_at(at))
