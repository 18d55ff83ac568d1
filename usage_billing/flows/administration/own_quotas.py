"""Quotas of a subscription's own: given with it or later, and ended."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from usage_billing.catalog import service
from usage_billing.catalog.ends import end_at, tell_ends
from usage_billing.catalog.models import UsageQuota
from usage_billing.catalog.own_quota import OwnQuota
from usage_billing.catalog.queries import get_quota
from usage_billing.catalog.service import NewQuota
from usage_billing.core.choices import Effective
from usage_billing.core.errors import Conflict, InvalidInput, NotFound
from usage_billing.flows.administration.agree import lock
from usage_billing.flows.administration.effect import (
    Scope,
    after_the_latest,
    check_not_invoiced,
    check_nothing_is_divided,
    own_moment,
)
from usage_billing.flows.administration.quota_effects import (
    check_price,
    note_quota,
    reckon_quota_anew,
    with_end,
    without_version,
)
from usage_billing.invoicing.lifecycle import InvoiceKind
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.queries import timelines_of

_USAGE = (InvoiceKind.PERIOD,)


def give_own_quotas(
    session: Session, subscription: Subscription, quotas: Sequence[OwnQuota], *, actor: str, now: datetime
) -> None:
    """Give a subscription that is being made quotas of its own, which hold from its start.

    Raises InvalidInput, with pointers below ``/quotas``, for an unknown usage type, one that is named twice, a wrong
    price, or another currency than the plan's.
    """
    named: set[str] = set()
    for index, own in enumerate(quotas):
        if own.usage_type in named:
            message = "this usage type has a quota in the list already"
            raise InvalidInput.field(f"/quotas/{index}/usageType", message, code="contradiction")
        named.add(own.usage_type)
        new = own.of(plan_id=subscription.plan_id, subscription_id=subscription.id)
        try:
            quota = service.add_quota_version(session, new, now=now, holds_from=subscription.started_at)
        except InvalidInput as error:
            raise error.below(f"/quotas/{index}") from error
        note_quota(session, quota, action="quota.defined", actor=actor, now=now)


def define_own(session: Session, new: NewQuota, owner: str, *, actor: str, now: datetime) -> UsageQuota:
    """Store a version that is a subscription's own; raises as ``define_quota`` does."""
    try:
        lock(session, owner)
    except NotFound as error:
        message = f"there is no subscription {owner}"
        raise InvalidInput.field("/subscriptionId", message, code="unknown_subscription") from error
    plan_id = timelines_of(session, [owner])[owner].plan_at(now)
    if plan_id != new.plan_id:
        message = f"is not the plan of the subscription, {plan_id}"
        raise InvalidInput.field("/planId", message, code="other_plan")
    scope = Scope(plan_id=plan_id, usage_type=new.usage_type, subscription_id=owner)
    effective = new.effective or _own_default(session, new)
    at = _own_moment(session, scope, effective, now=now)
    quota = service.add_quota_version(session, replace(new, effective=effective), now=now, holds_from=at)
    if at < now:
        check_price(session, scope, since=at, repriced=new.reprice_usage, without=without_version(quota.id))
    reckon_quota_anew(session, quota, since=at)
    note_quota(session, quota, action="quota.defined", actor=actor, now=now)
    return quota


def end_own_quota(
    session: Session,
    quota_id: int,
    *,
    effective: str | datetime = Effective.NEXT_PERIOD,
    reprice_usage: bool = False,
    actor: str,
    now: datetime,
) -> UsageQuota:
    """End a version that is a subscription's own; from then on another of its own holds, or else the plan's.

    Raises NotFound; Conflict for a plan's (``plan_quota``), and otherwise as ``define_quota`` does.
    """
    quota = get_quota(session, quota_id)
    owner = quota.subscription_id
    if owner is None:
        message = f"quota {quota_id} is the plan's; a plan's quota is replaced by its next version"
        raise Conflict(message, code="plan_quota")
    lock(session, owner)
    session.refresh(quota)
    scope = Scope(plan_id=quota.plan_id, usage_type=quota.usage_type_id, subscription_id=owner)
    at = _own_moment(session, scope, effective, now=now)
    before = quota.ended_at
    end_at(quota, at)
    if quota.ended_at == before:
        return quota
    tell_ends(session, service.own_versions(session, owner, quota.usage_type_id))
    if at < now:
        without = with_end(quota.id, before)
        check_price(session, scope, since=at, repriced=reprice_usage, without=without)
    reckon_quota_anew(session, quota, since=at)
    note_quota(session, quota, action="quota.ended", actor=actor, now=now)
    return quota


def _own_default(session: Session, new: NewQuota) -> Effective:
    """With the period that runs where nothing had a price before, or else with the next."""
    known = service.versions_of(session, new) or service.versions_of(session, replace(new, subscription_id=None))
    return Effective.NEXT_PERIOD if known else Effective.PERIOD


def _own_moment(session: Session, scope: Scope, effective: str | datetime, *, now: datetime) -> datetime:
    """From when something of a locked subscription's own holds, or is ended."""
    owner = scope.subscription_id or ""
    at = own_moment(timelines_of(session, [owner])[owner], effective, now=now)
    if effective == Effective.NOW:
        return after_the_latest(session, scope, now=at)
    if isinstance(effective, datetime):
        check_nothing_is_divided(session, scope, at=at)
    if at < now:
        check_not_invoiced(session, scope, since=at, kinds=_USAGE)
    return at
