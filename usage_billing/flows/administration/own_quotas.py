"""Quotas of a subscription's own: given with it or later, and ended."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from usage_billing.flows.administration.agree import PLAIN, AgreedChange, Precaution, enter, look
from usage_billing.flows.administration.check_cells import check_cells
from usage_billing.flows.administration.dearer import Alter
from usage_billing.flows.administration.effect import (
    Scope,
    after_the_latest,
    check_not_invoiced,
    check_nothing_later,
    own_moment,
)
from usage_billing.flows.administration.quota_effects import (
    check_price,
    check_stays_counted,
    check_undivided,
    note_quota,
    reckon_quota_anew,
    with_end,
    with_version,
)
from usage_billing.flows.billing.agreements import read_agreements, reopened
from usage_billing.flows.billing.foresee import TermsChange
from usage_billing.flows.billing.turns import Turn
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
            check_cells(session, new.usage_type, new.price, now=now, lock=True)
            quota = service.add_quota_version(session, new, now=now, holds_from=subscription.started_at)
        except InvalidInput as error:
            raise error.below(f"/quotas/{index}") from error
        note_quota(session, quota, action="quota.defined", actor=actor, now=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """A version that is to be made, and the book with it; ``new`` says from when it holds."""

    subscription: Subscription
    new: NewQuota
    quota: UsageQuota
    at: datetime
    alter: Alter


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """An end of a version that is to be, and the book with it; ``changes`` is False where it ends by then already."""

    subscription: Subscription
    quota: UsageQuota
    at: datetime
    changes: bool
    alter: Alter


def define_own(
    session: Session, new: NewQuota, owner: str, *, actor: str, now: datetime, precaution: Precaution = PLAIN
) -> UsageQuota:
    """Store a version that is a subscription's own; raises as ``define_quota`` does."""
    version = _next_own(session, new, owner, precaution=precaution, now=now)
    quota = version.quota
    look(session, lambda: _terms(session, owner, version.alter, at=version.at), precaution, now=now)
    service.store_quota_version(session, version.new, quota)
    reckon_quota_anew(session, quota, since=version.at, now=now)
    note_quota(session, quota, action="quota.defined", actor=actor, now=now)
    return quota


def foresee_own(session: Session, new: NewQuota, owner: str, *, now: datetime, precaution: Precaution) -> AgreedChange:
    """What ``define_own`` would charge and give back; nothing is locked or stored. Raises as it does."""
    version = _next_own(session, new, owner, precaution=precaution, now=now)
    return AgreedChange(
        subscription=version.subscription,
        effective_at=version.at,
        changed=True,
        foreseen=look(session, lambda: _terms(session, owner, version.alter, at=version.at), precaution, now=now),
    )


def end_own_quota(
    session: Session,
    quota_id: int,
    *,
    effective: str | datetime = Effective.NEXT_PERIOD,
    reprice_usage: bool = False,
    actor: str,
    now: datetime,
    precaution: Precaution = PLAIN,
) -> UsageQuota:
    """End a version that is a subscription's own; from then on another of its own holds, or else the plan's.

    Raises NotFound; Conflict for a plan's (``plan_quota``), and otherwise as ``define_quota`` does.
    """
    end = _end_of(session, quota_id, effective, repriced=reprice_usage, precaution=precaution, now=now)
    quota, owner = end.quota, end.subscription.id
    look(session, lambda: _terms(session, owner, end.alter, at=end.at), precaution, now=now)
    end_at(quota, end.at)
    if not end.changes:
        return quota
    tell_ends(session, service.own_versions(session, owner, quota.usage_type_id))
    reckon_quota_anew(session, quota, since=end.at, now=now)
    note_quota(session, quota, action="quota.ended", actor=actor, now=now)
    return quota


def foresee_end(
    session: Session,
    quota_id: int,
    *,
    effective: str | datetime = Effective.NEXT_PERIOD,
    reprice_usage: bool = False,
    now: datetime,
    precaution: Precaution,
) -> AgreedChange:
    """What ``end_own_quota`` would charge and give back; nothing is locked or stored. Raises as it does."""
    end = _end_of(session, quota_id, effective, repriced=reprice_usage, precaution=precaution, now=now)
    owner = end.subscription.id
    return AgreedChange(
        subscription=end.subscription,
        effective_at=end.at,
        changed=end.changes,
        foreseen=look(session, lambda: _terms(session, owner, end.alter, at=end.at), precaution, now=now),
    )


def _next_own(session: Session, new: NewQuota, owner: str, *, precaution: Precaution, now: datetime) -> _Version:
    try:
        subscription = enter(session, owner, precaution)
    except NotFound as error:
        message = f"there is no subscription {owner}"
        raise InvalidInput.field("/subscriptionId", message, code="unknown_subscription") from error
    plan_id = timelines_of(session, [owner])[owner].plan_at(now)
    if plan_id != new.plan_id:
        message = f"is not the plan of the subscription, {plan_id}"
        raise InvalidInput.field("/planId", message, code="other_plan")
    scope = Scope(plan_id=plan_id, usage_type=new.usage_type, subscription_id=owner)
    effective = new.effective or _own_default(session, new)
    asked, at = replace(new, effective=effective), _own_moment(session, scope, effective, now=now)
    check_cells(session, new.usage_type, new.price, now=now, lock=not precaution.dry_run)
    quota = service.next_quota_version(session, asked, now=now, holds_from=at, lock=not precaution.dry_run)
    alter = with_version(quota, now=now)
    if isinstance(effective, datetime):
        check_undivided(session, scope, at=at, repriced=new.reprice_usage, alter=alter)
    if at < now:
        check_stays_counted(session, owner, new.usage_type, since=at, alter=alter)
        check_price(session, scope, since=at, repriced=new.reprice_usage, alter=alter)
    return _Version(subscription=subscription, new=asked, quota=quota, at=at, alter=alter)


def _end_of(
    session: Session, quota_id: int, effective: str | datetime, *, repriced: bool, precaution: Precaution, now: datetime
) -> _End:
    quota = get_quota(session, quota_id)
    owner = quota.subscription_id
    if owner is None:
        message = f"quota {quota_id} is the plan's; a plan's quota is replaced by its next version"
        raise Conflict(message, code="plan_quota")
    subscription = enter(session, owner, precaution)
    session.refresh(quota)
    scope = Scope(plan_id=quota.plan_id, usage_type=quota.usage_type_id, subscription_id=owner)
    at = _own_moment(session, scope, effective, now=now)
    if quota.ended_at is not None and quota.ended_at <= at:
        return _End(subscription=subscription, quota=quota, at=at, changes=False, alter=lambda book: book)
    if quota.ended_at is not None:
        check_nothing_later(session, scope, since=quota.ended_at)
    alter = with_end(quota.id, at)
    if isinstance(effective, datetime):
        check_undivided(session, scope, at=at, repriced=repriced, alter=alter)
    if at < now:
        check_stays_counted(session, owner, quota.usage_type_id, since=at, alter=alter)
        check_price(session, scope, since=at, repriced=repriced, alter=alter)
    return _End(subscription=subscription, quota=quota, at=at, changes=True, alter=alter)


def _terms(session: Session, owner: str, alter: Alter, *, at: datetime) -> TermsChange:
    """What is agreed with a subscription before and after a change of its own quotas, to be billed in memory."""
    before = read_agreements(session, [owner])
    since = before.timelines[owner].period_cut_at(at)
    after = reopened(before, since={owner: since})._replace(quotas=alter(before.quotas))
    return TermsChange(before=before, after=after, turns={owner: Turn(at=at, since=since)})


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
    if at < now:
        check_not_invoiced(session, scope, since=at, kinds=_USAGE)
    return at
