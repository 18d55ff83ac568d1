"""Reads alert rules and firings."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Select, or_, select, text
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertFiring, AlertRule
from usage_billing.alerts.states import FiringState
from usage_billing.alerts.thresholds import Past
from usage_billing.core.errors import NotFound
from usage_billing.subscriptions.models import Subscription

_ANY = text("SELECT EXISTS (SELECT FROM alert_rules WHERE ended_at IS NULL)")
# A rule of a plan comes with each subscription that is, was or will be on it: whether it is in a period says the terms.
_OVER = text("""
    SELECT s.id AS subscription_id, r.id AS rule_id
    FROM subscriptions AS s
    JOIN alert_rules AS r ON r.ended_at IS NULL AND (
        r.subscription_id = s.id OR r.customer_id = s.customer_id
        OR num_nonnulls(r.subscription_id, r.customer_id, r.plan_id) = 0
        OR r.plan_id IN (SELECT t.plan_id FROM subscription_terms AS t WHERE t.subscription_id = s.id)
    )
    WHERE s.id = ANY(CAST(:ids AS text[]))
    ORDER BY s.id, r.id
""")
Cycle = tuple[str, str, datetime]
"""A rule, a subject and when the billing period begins: in it each line is told once, unless it is armed again."""


def any_rules(session: Session) -> bool:
    """Whether any rule holds."""
    return bool(session.scalar(_ANY))


def rules_over(session: Session, subscription_ids: Collection[str]) -> dict[str, list[AlertRule]]:
    """The rules that hold for these subscriptions, by subscription; one without any is absent."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in session.execute(_OVER, {"ids": sorted(set(subscription_ids))}):
        found[row.subscription_id].append(row.rule_id)
    if not found:
        return {}
    ids = {id for named in found.values() for id in named}
    rules = {one.id: one for one in session.scalars(select(AlertRule).where(AlertRule.id.in_(ids)))}
    return {subscription_id: [rules[id] for id in named] for subscription_id, named in found.items()}


def told_in(
    session: Session, rule_ids: Collection[str], subscription_ids: Collection[str], starts: Collection[datetime]
) -> dict[Cycle, dict[Decimal, Past]]:
    """What was told in the periods of these subscriptions that begin at ``starts``: of each line the last time."""
    statement = (
        select(AlertFiring)
        .where(AlertFiring.subscription_id.in_(subscription_ids), AlertFiring.period_start.in_(starts))
        .where(AlertFiring.rule_id.in_(rule_ids))
        .order_by(AlertFiring.round)
    )
    found: dict[Cycle, dict[Decimal, Past]] = defaultdict(dict)
    for one in session.scalars(statement.execution_options(populate_existing=True)):
        cycle = (one.rule_id, one.subject, one.period_start)
        found[cycle][one.threshold] = Past(one.id, one.round, one.state)
    return found


def get_rule(session: Session, rule_id: str, *, lock: bool = False) -> AlertRule:
    """A rule, one that has ended too; raises NotFound."""
    found = session.get(AlertRule, rule_id, with_for_update=True if lock else None, populate_existing=lock)
    if found is None:
        raise NotFound(f"there is no alert {rule_id}")
    return found


def get_rule_seen_by(session: Session, rule_id: str, customer_id: str | None) -> AlertRule:
    """A rule that a customer may see, None: any; raises NotFound."""
    found = session.scalars(rules_where(seen_by=customer_id).where(AlertRule.id == rule_id)).first()
    if found is None:
        raise NotFound(f"there is no alert {rule_id}")
    return found


def rules_where(
    *,
    subscription_id: str | None = None,
    customer_id: str | None = None,
    ended: bool | None = None,
    seen_by: str | None = None,
) -> Select[AlertRule]:
    """The rules of a subscription or of a customer alone; those that have ended, or those that hold.

    ``seen_by`` is a customer, who sees those over itself and over its own subscriptions.
    """
    statement = select(AlertRule)
    if seen_by is not None:
        own = select(Subscription.id).where(Subscription.customer_id == seen_by)
        statement = statement.where(or_(AlertRule.customer_id == seen_by, AlertRule.subscription_id.in_(own)))
    if subscription_id is not None:
        statement = statement.where(AlertRule.subscription_id == subscription_id)
    if customer_id is not None:
        statement = statement.where(AlertRule.customer_id == customer_id)
    if ended is not None:
        over = AlertRule.ended_at.is_not(None)
        statement = statement.where(over if ended else ~over)
    return statement


def firings_of(rule_id: str, *, unresolved: bool = False) -> Select[AlertFiring]:
    """The firings of a rule; with ``unresolved`` those that are still to be resolved."""
    statement = select(AlertFiring).where(AlertFiring.rule_id == rule_id)
    return statement.where(AlertFiring.state == FiringState.OPEN) if unresolved else statement
