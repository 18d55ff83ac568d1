"""Moving the start of a subscription, while nothing of it is final."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from usage_billing.catalog.queries import quotas_of
from usage_billing.catalog.service import move_own_quotas
from usage_billing.core.clock import instant_text
from usage_billing.core.errors import Conflict
from usage_billing.flows.administration.agree import AgreedChange, Precaution, enter, note_change, reckon_anew
from usage_billing.flows.folding.reckon_meters import reckon_meters
from usage_billing.invoicing.queries import is_invoiced
from usage_billing.metering.queries import quarantined_within
from usage_billing.metering.settling import move_summary, used_types
from usage_billing.metering.voids import later_usage
from usage_billing.subscriptions.agreed_changes import changes_of
from usage_billing.subscriptions.agreement import agreed_period
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.lifecycle import Timeline
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import timelines_of
from usage_billing.wallets.queries import is_drawn_at
from usage_billing.wallets.service import lock_wallets

_ALWAYS = datetime(1700, 1, 1, tzinfo=UTC)
OFFERED = 100
"""How many recordings in quarantine an answer names."""


def move_start(
    session: Session, subscription_id: str, *, started_at: datetime, actor: str, now: datetime
) -> AgreedChange:
    """Let a subscription have started at another instant; quotas of its own that held from its start move with it.

    Recordings in quarantine that now fit are named, to be replayed. Raises NotFound; Conflict when an invoice of it is
    final (``already_invoiced``), when usage counts that the move would leave out or divide anew (``usage_before``),
    when a closed grant has paid for usage of what moves (``draws_posted``), and when a change or its end lies before
    the new start.
    """
    subscription = enter(session, subscription_id, Precaution())
    lock_wallets(session, [subscription.customer_id])  # what is posted stays as it is read here
    before = subscription.started_at
    if started_at == before:
        return AgreedChange(subscription=subscription, effective_at=before, changed=False)
    _check_movable(session, subscription, started_at)
    timeline = timelines_of(session, [subscription.id])[subscription.id]
    at = max(before, started_at)
    counted = _segments_at(session, subscription.id, at=at)
    first = changes_of(session, subscription.id)[0]
    first.at = subscription.started_at = started_at
    move_own_quotas(session, subscription.id, since=before, to=started_at)
    reckon_anew(session, subscription, before=timeline, at=min(before, started_at))
    _move_summaries(session, subscription.id, before=timeline, counted=counted, at=at)
    reckon_meters(session, [subscription.id], now=now)
    note_change(session, subscription, action="subscription.start_moved", at=started_at, actor=actor, now=now)
    ended = subscription.ended_at
    fits = quarantined_within(session, subscription.id, since=started_at, until=ended, at_most=OFFERED)
    return AgreedChange(subscription=subscription, effective_at=started_at, changed=True, replayable=fits)


def _segments_at(session: Session, subscription_id: str, *, at: datetime) -> dict[str, datetime]:
    """When the segments around ``at`` begin, by usage type, for those of which something was counted."""
    line = timelines_of(session, [subscription_id])[subscription_id]
    quotas = quotas_of(session, {term.plan_id for term in line.terms}, subscription_ids=[subscription_id])
    agreed = {
        name: agreed_period(line, quotas, subscription_id, name, at) for name in used_types(session, subscription_id)
    }
    parts = {name: None if one is None else one.part_at(at) for name, one in agreed.items()}
    return {name: part.start for name, part in parts.items() if part is not None}


def _move_summaries(
    session: Session, subscription_id: str, *, before: Timeline, counted: Mapping[str, datetime], at: datetime
) -> None:
    """Let what was ``counted`` in the segments around ``at`` count in those there now, while the period is the same.

    Summaries are named after the beginning of their segment, and so is what is posted of their first window.
    """
    line = timelines_of(session, [subscription_id])[subscription_id]
    segment, then = line.segment_at(at), before.segment_at(at)
    if segment is None or then is None or segment.period != then.period:
        return
    for usage_type, begins in _segments_at(session, subscription_id, at=at).items():
        since = counted.get(usage_type, begins)
        if since != begins:
            if is_drawn_at(session, subscription_id, usage_type, since=since):
                message = f"what was paid for beforehand of {usage_type} since {instant_text(since)} is final"
                raise Conflict(message, code="draws_posted")
            move_summary(session, subscription_id, usage_type, since=since, to=begins)


def _check_movable(session: Session, subscription: Subscription, started_at: datetime) -> None:
    if is_invoiced(session, subscription.id):
        message = "an invoice of the subscription is final; its start stays as it is"
        raise Conflict(message, code="already_invoiced")
    anchored = subscription.anchor == Anchor.ANNIVERSARY
    left_out = later_usage(session, subscription.id, since=_ALWAYS, until=None if anchored else started_at)
    if left_out is not None:
        why = "its periods follow its start" if anchored else "it would lie before the start"
        message = f"{left_out.recordings} recordings count, the latest of {left_out.latest.isoformat()}: {why}"
        raise Conflict(message, code="usage_before")
    ended = subscription.ended_at
    if ended is not None and ended <= started_at:
        raise Conflict(f"the subscription ends at {ended.isoformat()}", code="already_ended")
    if any(row.at <= started_at for row in changes_of(session, subscription.id)[1:]):
        message = "a change is agreed for an instant before that start; take that one back first"
        raise Conflict(message, code="conflicting_change")
