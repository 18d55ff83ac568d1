"""Alerts that a customer sets on its own subscriptions, where the plan lets it, and which tell the customer alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.queries import count_own, get_rule_seen_by, has_rule
from usage_billing.catalog.models import Plan
from usage_billing.catalog.queries import get_named
from usage_billing.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from usage_billing.customers.queries import get_customer
from usage_billing.flows.alerting.alert_checks import NewAlert
from usage_billing.flows.alerting.manage_alerts import change_alert, create_alert, end_alert, test_alert
from usage_billing.subscriptions.queries import Contract, contracts_by_id
from usage_billing.webhooks.queries import own_endpoints

MOST_ALERTS = 50
"""So many alerts of a customer's own hold at a time."""


def create_own_alert(session: Session, new: NewAlert, *, customer_id: str, actor: str, now: datetime) -> AlertRule:
    """Store ``new`` of a customer.

    Raises InvalidInput; NotFound for a subscription of another customer, and for an id of an alert that the customer
    may not see, as when it asks for that; Forbidden with ``customer_alerts_off`` where the plan does not let it,
    ``scope_not_own`` for a scope that is no subscription, ``endpoint_not_own`` for an endpoint that tells others;
    Conflict with ``already_exists`` and ``too_many_alerts``.
    """
    if new.subscription_id is None:
        raise Forbidden("alerts of your own are on one of your subscriptions: subscriptionId", code="scope_not_own")
    _check_allowed(session, new.subscription_id, customer_id, now=now)
    _check_to(session, new.to, customer_id)
    get_customer(session, customer_id, lock=True)
    if count_own(session, customer_id) >= MOST_ALERTS:
        raise Conflict(f"there are {MOST_ALERTS} alerts of your own: end one first", code="too_many_alerts")
    if new.id is not None and has_rule(session, new.id):
        get_rule_seen_by(session, new.id, customer_id)  # one that it may not see is answered as one that is not there
    return create_alert(session, replace(new, made_by_customer=True), actor=actor, now=now)


def change_own_alert(
    session: Session, rule_id: str, changes: dict[str, Any], *, customer_id: str, actor: str, now: datetime
) -> AlertRule:
    """Change an alert of a customer's own; raises as making one does, and Forbidden with ``alert_not_own``."""
    rule = own_alert(session, rule_id, customer_id)
    _check_allowed(session, rule.subscription_id or "", customer_id, now=now)
    if "to" in changes:
        _check_to(session, changes["to"], customer_id)
    return change_alert(session, rule_id, changes, actor=actor, now=now)


def end_own_alert(session: Session, rule_id: str, *, customer_id: str, actor: str, now: datetime) -> AlertRule:
    """End an alert of a customer's own, whatever its plan says by now. Raises NotFound, Forbidden."""
    own_alert(session, rule_id, customer_id)
    return end_alert(session, rule_id, actor=actor, now=now)


def test_own_alert(session: Session, rule_id: str, *, customer_id: str, now: datetime) -> AlertRule:
    """Tell an event of an alert of a customer's own that is marked as a test. Raises NotFound, Forbidden, Conflict."""
    own_alert(session, rule_id, customer_id)
    return test_alert(session, rule_id, now=now)


def own_alert(session: Session, rule_id: str, customer_id: str) -> AlertRule:
    """An alert that a customer made; raises NotFound, and Forbidden with ``alert_not_own`` for the service's."""
    rule = get_rule_seen_by(session, rule_id, customer_id)
    if not rule.made_by_customer:
        raise Forbidden("the alert was made by the service: it is to be read", code="alert_not_own")
    return rule


def may_alert(session: Session, contract: Contract, *, now: datetime) -> bool:
    """Whether the plan of a subscription lets its customer set alerts."""
    return get_named(session, Plan, contract.timeline.plan_at(now)).customer_alerts


def _check_allowed(session: Session, subscription_id: str, customer_id: str, *, now: datetime) -> None:
    found = [one for one in contracts_by_id(session, [subscription_id]) if one.customer_id == customer_id]
    if not found:
        raise NotFound(f"there is no subscription {subscription_id}")
    if not may_alert(session, found[0], now=now):
        raise Forbidden("the plan does not let its customers set alerts", code="customer_alerts_off")


def _check_to(session: Session, to: Sequence[str] | None, customer_id: str) -> None:
    """An endpoint that there is not is refused as one of others is: a customer learns nothing of those."""
    if to is None:
        raise InvalidInput.field("/to", "is required: one of your endpoints", code="required")
    own = {one.id for one in own_endpoints(session, customer_id)}
    if not own.issuperset(to):
        raise Forbidden("an alert of your own tells you alone: name endpoints that are yours", code="endpoint_not_own")
