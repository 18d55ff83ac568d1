"""Creates and changes plans, usage types and quotas, with an audit entry for each change."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.audit.service import note
from usage_billing.catalog import service
from usage_billing.catalog.models import Plan, UsageQuota, UsageType
from usage_billing.catalog.own_quota import OwnQuota
from usage_billing.catalog.service import NewPlan, NewQuota, NewUsageType
from usage_billing.core.decimals import plain
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.db.locks import lock_shards
from usage_billing.metering.models import first_place
from usage_billing.metering.recording import SHARDS
from usage_billing.metering.settling import reopen_for_quota
from usage_billing.rating.price import has_minimum
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.openings import lock_to_open, open_again

_RECORDED_LATER = text("""
    SELECT 1
    FROM subscription_terms AS t
    WHERE t.plan_id = :plan
        AND (CAST(:own AS text) IS NULL OR t.subscription_id = :own)
        AND EXISTS (
            SELECT FROM usage AS u
            WHERE hashtextextended(u.subscription_id, 0) = hashtextextended(t.subscription_id, 0)
                AND u.subscription_id = t.subscription_id
                AND usage_place(u.occurred_at, u.ordinal) >= :first
                AND u.usage_type_id = :type
                AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
        )
    LIMIT 1
""")


def create_plan(session: Session, new: NewPlan, *, actor: str, now: datetime) -> Plan:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an unknown currency or interval."""
    plan = service.add_plan(session, new)
    note(
        session,
        actor=actor,
        action="plan.created",
        subject=f"plan:{new.id}",
        at=now,
        name=new.name,
        currency=new.currency,
    )
    return plan


def change_plan(session: Session, plan_id: str, *, name: str, actor: str, now: datetime) -> Plan:
    """Rename a plan; raises NotFound."""
    plan = service.change_plan(session, plan_id, name=name)
    note(session, actor=actor, action="plan.changed", subject=f"plan:{plan_id}", at=now, name=name)
    return plan


def create_usage_type(session: Session, new: NewUsageType, *, actor: str, now: datetime) -> UsageType:
    """Store ``new``; raises Conflict when the id is taken, InvalidInput for an unknown aggregation."""
    usage_type = service.add_usage_type(session, new)
    subject = f"usage-type:{new.id}"
    note(session, actor=actor, action="usage_type.created", subject=subject, at=now, unitName=new.unit_name)
    return usage_type


def change_usage_type(session: Session, usage_type_id: str, *, unit_name: str, actor: str, now: datetime) -> UsageType:
    """Rename the unit of a usage type; raises NotFound."""
    usage_type = service.change_usage_type(session, usage_type_id, unit_name=unit_name)
    subject = f"usage-type:{usage_type_id}"
    note(session, actor=actor, action="usage_type.changed", subject=subject, at=now, unitName=unit_name)
    return usage_type


def define_quota(session: Session, new: NewQuota, *, actor: str, now: datetime) -> UsageQuota:
    """Store a new version of a quota, and have billing look again at every summary that it applies to.

    Raises InvalidInput for an unknown plan or usage type, or a wrong price.
    """
    if new.subscription_id is not None:
        _check_own(session, new)
    if new.immediate:
        # It cuts the period under way. While the shards are locked no worker records on either side of the cut.
        lock_shards(session, range(SHARDS))
        affected = {"plan": new.plan_id, "type": new.usage_type, "own": new.subscription_id, "first": first_place(now)}
        if session.execute(_RECORDED_LATER, affected).first() is not None:
            raise Conflict("usage is recorded that occurred after this moment; try again later", code="usage_later")
    if has_minimum(new.price):
        lock_to_open(session, plan_id=new.plan_id, subscription_id=new.subscription_id)
    quota = service.add_quota_version(session, new, now=now)
    reopen_for_quota(
        session,
        plan_id=quota.plan_id,
        usage_type_id=quota.usage_type_id,
        subscription_id=quota.subscription_id,
        since=quota.effective_from,
        immediate=quota.immediate,
    )
    if has_minimum(quota.price):
        open_again(session, plan_id=quota.plan_id, subscription_id=quota.subscription_id, now=now)
    _note_quota(session, quota, actor=actor, now=now)
    return quota


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
            quota = service.add_quota_version(session, new, now=subscription.started_at)
        except InvalidInput as error:
            raise error.below(f"/quotas/{index}") from error
        _note_quota(session, quota, actor=actor, now=now)


def _note_quota(session: Session, quota: UsageQuota, *, actor: str, now: datetime) -> None:
    note(
        session,
        actor=actor,
        action="quota.defined",
        subject=f"quota:{quota.id}",
        at=now,
        planId=quota.plan_id,
        usageType=quota.usage_type_id,
        version=quota.version,
        monthlyLimit=None if quota.monthly_limit is None else plain(quota.monthly_limit),
        price=quota.price,
    )


def _check_own(session: Session, new: NewQuota) -> None:
    subscription = session.get(Subscription, new.subscription_id)
    if subscription is None:
        raise InvalidInput.field(
            "/subscriptionId", f"there is no subscription {new.subscription_id}", code="unknown_subscription"
        )
    if subscription.plan_id != new.plan_id:
        raise InvalidInput.field(
            "/planId", f"is not the plan of the subscription, {subscription.plan_id}", code="other_plan"
        )
