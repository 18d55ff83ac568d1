"""Reads alert rules and firings."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertFiring, AlertProjection, AlertRule
from usage_billing.alerts.states import IN_THE_DRAIN, FiringState, Watches
from usage_billing.alerts.thresholds import Past
from usage_billing.core.errors import NotFound
from usage_billing.subscriptions.models import Subscription
from usage_billing.wallets.models import Wallet

_ANY = text(
    "SELECT EXISTS (SELECT FROM alert_rules WHERE ended_at IS NULL AND watches = ANY(CAST(:watches AS text[])))"
)
# A rule of a plan comes with each subscription that is, was or will be on it: whether it is in a period says the terms.
_OVER = text("""
    SELECT s.id AS subject, r.id AS rule_id
    FROM subscriptions AS s
    JOIN alert_rules AS r ON r.ended_at IS NULL AND r.watches = ANY(CAST(:watches AS text[])) AND (
        r.subscription_id = s.id OR r.customer_id = s.customer_id
        OR num_nonnulls(r.subscription_id, r.customer_id, r.plan_id) = 0
        OR r.plan_id IN (SELECT t.plan_id FROM subscription_terms AS t WHERE t.subscription_id = s.id)
    )
    WHERE s.id = ANY(CAST(:ids AS text[]))
    ORDER BY s.id, r.id
""")
_NEXT_UNDER = text("""
    SELECT s.id
    FROM subscriptions AS s
    WHERE s.id > :after AND EXISTS (
        SELECT
        FROM alert_rules AS r
        WHERE r.ended_at IS NULL AND r.watches = :watches AND (
            r.subscription_id = s.id OR r.customer_id = s.customer_id
            OR num_nonnulls(r.subscription_id, r.customer_id, r.plan_id) = 0
            OR r.plan_id IN (SELECT t.plan_id FROM subscription_terms AS t WHERE t.subscription_id = s.id)
        )
    )
    ORDER BY s.id
    LIMIT :size
""")
_OVER_WALLETS = text("""
    SELECT w.id AS subject, r.id AS rule_id
    FROM wallets AS w
    JOIN alert_rules AS r ON r.ended_at IS NULL AND r.watches = 'balance'
        AND coalesce(r.wallet_id, w.id) = w.id AND coalesce(r.customer_id, w.customer_id) = w.customer_id
        AND (r.currency IS NULL OR r.currency = w.currency)
        AND (r.usage_type_id IS NULL OR EXISTS (
            SELECT FROM wallet_scopes AS t WHERE t.wallet_id = w.id AND t.usage_type_id = r.usage_type_id
        ))
    WHERE w.id = ANY(CAST(:ids AS text[]))
    ORDER BY w.id, r.id
""")
_DUE = text("""
    SELECT DISTINCT customer_id
    FROM (SELECT customer_id FROM alert_wallets WHERE look_at <= :now ORDER BY look_at LIMIT :size) AS due
""")
_OWNERS = text("SELECT DISTINCT customer_id FROM subscriptions WHERE id = ANY(CAST(:ids AS text[]))")
_OWN = text("SELECT id FROM subscriptions WHERE customer_id = ANY(CAST(:customers AS text[]))")
Cycle = tuple[str, str, datetime]
"""A rule, a subject and when the billing period begins: in it each line is told once, unless it is armed again."""


def any_rules(session: Session) -> bool:
    """Whether any rule holds that watches usage."""
    return bool(session.scalar(_ANY, {"watches": list(IN_THE_DRAIN)}))


def rules_over(
    session: Session, subscription_ids: Collection[str], *, watches: Collection[Watches] = IN_THE_DRAIN
) -> dict[str, list[AlertRule]]:
    """The rules that hold for these subscriptions, by subscription; one without any is absent."""
    asked = {"ids": sorted(set(subscription_ids)), "watches": list(watches)}
    return _rules_by(session, session.execute(_OVER, asked))


def next_under(session: Session, watches: Watches, *, after: str, at_most: int) -> list[str]:
    """The next subscriptions by id that a rule is for which watches this."""
    asked = {"watches": watches, "after": after, "size": at_most}
    return list(session.scalars(_NEXT_UNDER, asked))


def projections_of(session: Session, rule_ids: Collection[str]) -> dict[tuple[str, str], AlertProjection]:
    """What was foreseen of the subjects of these rules last, by rule and subject."""
    statement = select(AlertProjection).where(AlertProjection.rule_id.in_(rule_ids))
    rows = session.scalars(statement.execution_options(populate_existing=True))
    return {(row.rule_id, row.subject): row for row in rows}


def rules_over_wallets(session: Session, wallet_ids: Collection[str]) -> dict[str, list[AlertRule]]:
    """The rules that hold for these wallets, by wallet; one without any is absent."""
    return _rules_by(session, session.execute(_OVER_WALLETS, {"ids": list(wallet_ids)}))


def _rules_by(session: Session, rows: Iterable[Any]) -> dict[str, list[AlertRule]]:
    """Rules by what they are for, from rows of that ``subject`` and a ``rule_id``."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row.subject].append(row.rule_id)
    if not found:
        return {}
    ids = {id for named in found.values() for id in named}
    rules = {one.id: one for one in session.scalars(select(AlertRule).where(AlertRule.id.in_(ids)))}
    return {subject: [rules[id] for id in named] for subject, named in found.items()}


def owners_due(session: Session, *, now: datetime, at_most: int) -> list[str]:
    """The customers whose watched wallets the clock may have moved by ``now``."""
    return list(session.scalars(_DUE, {"now": now, "size": at_most}))


def owners_of(session: Session, subscription_ids: Collection[str]) -> list[str]:
    """The customers of these subscriptions."""
    return list(session.scalars(_OWNERS, {"ids": list(subscription_ids)}))


def subscriptions_of(session: Session, customer_ids: Collection[str]) -> list[str]:
    """The subscriptions of these customers."""
    return list(session.scalars(_OWN, {"customers": list(customer_ids)}))


def told_of_wallets(
    session: Session, rule_ids: Collection[str], wallet_ids: Collection[str]
) -> dict[tuple[str, str], dict[Decimal, Past]]:
    """What was told of these wallets, by rule and wallet: of each line the last time."""
    statement = (
        select(AlertFiring)
        .where(AlertFiring.wallet_id.in_(wallet_ids), AlertFiring.rule_id.in_(rule_ids))
        .order_by(AlertFiring.round)
    )
    found: dict[tuple[str, str], dict[Decimal, Past]] = defaultdict(dict)
    for one in session.scalars(statement.execution_options(populate_existing=True)):
        found[one.rule_id, one.wallet_id or ""][one.threshold] = Past(one.id, one.round, one.state)
    return found


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


def has_rule(session: Session, rule_id: str) -> bool:
    """Whether there is a rule with this id, ended or not."""
    return session.scalar(select(AlertRule.id).where(AlertRule.id == rule_id)) is not None


def count_own(session: Session, customer_id: str) -> int:
    """How many alerts hold that a customer made."""
    own = rules_where(seen_by=customer_id, ended=False).where(AlertRule.made_by_customer)
    return session.scalar(select(func.count()).select_from(own.subquery())) or 0


def rules_where(
    *,
    subscription_id: str | None = None,
    customer_id: str | None = None,
    ended: bool | None = None,
    seen_by: str | None = None,
) -> Select[AlertRule]:
    """The rules of a subscription or of a customer alone; those that have ended, or those that hold.

    ``seen_by`` is a customer, who sees those over itself and over its own subscriptions and wallets.
    """
    statement = select(AlertRule)
    if seen_by is not None:
        own = select(Subscription.id).where(Subscription.customer_id == seen_by)
        wallets = select(Wallet.id).where(Wallet.customer_id == seen_by)
        statement = statement.where(
            or_(
                AlertRule.customer_id == seen_by,
                AlertRule.subscription_id.in_(own),
                AlertRule.wallet_id.in_(wallets),
            )
        )
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
