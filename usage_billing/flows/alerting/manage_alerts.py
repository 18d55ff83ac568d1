"""Alerts are made, changed, tried and ended. What they watch is judged within some seconds."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.alerts import service
from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.queries import get_rule
from usage_billing.alerts.states import Basis
from usage_billing.audit.service import note
from usage_billing.core.errors import Conflict
from usage_billing.core.identifiers import new_text_id
from usage_billing.flows.alerting.alert_checks import (
    Lines,
    NewAlert,
    check_basis,
    check_lines,
    check_scope,
    currency_of,
    named_endpoints,
)
from usage_billing.flows.alerting.telling import tell_test
from usage_billing.subscriptions.queries import get_contract
from usage_billing.wallets.queries import get_wallet


def create_alert(session: Session, new: NewAlert, *, actor: str, now: datetime) -> AlertRule:
    """Store ``new``. Raises InvalidInput, NotFound, Conflict ``already_exists``."""
    check_scope(session, new)
    check_basis(new)
    values = {
        "id": new.id or f"al_{new_text_id()}",
        "subscription_id": new.subscription_id,
        "plan_id": new.plan_id,
        "customer_id": new.customer_id,
        "wallet_id": new.wallet_id,
        "watches": new.watches,
        "usage_type_id": new.usage_type,
        "basis": new.basis_or_usual,
        "amount": new.amount,
        "currency": currency_of(session, new),
        "thresholds": None if new.thresholds is None else list(new.thresholds),
        "every": new.every,
        "resolve": new.resolve,
        "rearm": new.rearm_or_usual,
        "rearm_above": new.rearm_above,
        "late": new.late,
        "told_to": named_endpoints(session, new.to),
        "made_by_customer": new.made_by_customer,
        "holds_since": now,
        "created_at": now,
    }
    check_lines(_lines_of(AlertRule(**values)))
    rule = service.add_rule(session, values)
    service.look_at_scope(session, rule)
    _note(session, rule, "created", actor=actor, now=now, on=rule.watches)
    return rule


def change_alert(session: Session, rule_id: str, changes: dict[str, Any], *, actor: str, now: datetime) -> AlertRule:
    """Change the lines of a rule, how it comes back, or who is told. Raises NotFound, InvalidInput, Conflict.

    New lines are judged in the period under way: what was told stays told.
    """
    rule = get_rule(session, rule_id, lock=True)
    check_holds(rule)
    before = (service.decimals(rule.thresholds), rule.every)
    if "thresholds" in changes or "every" in changes:
        lines = changes.get("thresholds")
        rule.thresholds, rule.every = (None if lines is None else list(lines)), changes.get("every")
    for name in ("resolve", "rearm", "rearm_above", "late"):
        if name in changes:
            setattr(rule, name, changes[name])
    with session.no_autoflush:
        check_lines(_lines_of(rule))
        if "to" in changes:
            rule.told_to = named_endpoints(session, changes["to"])
    if before != (service.decimals(rule.thresholds), rule.every):
        rule.holds_since = now
    session.flush()
    service.look_at_scope(session, rule)
    _note(session, rule, "changed", actor=actor, now=now, fields=sorted(changes))
    return rule


def end_alert(session: Session, rule_id: str, *, actor: str, now: datetime) -> AlertRule:
    """Let a rule tell nothing more; its firings stay. Twice changes nothing. Raises NotFound."""
    rule = get_rule(session, rule_id, lock=True)
    if rule.ended_at is None:
        rule.ended_at = now
        _note(session, rule, "ended", actor=actor, now=now)
    return rule


def test_alert(session: Session, rule_id: str, *, now: datetime) -> AlertRule:
    """Tell an event that is marked as a test; nothing has fired. Raises NotFound, Conflict."""
    rule = get_rule(session, rule_id)
    check_holds(rule)
    customer_id = rule.customer_id
    if rule.subscription_id is not None:
        customer_id = get_contract(session, rule.subscription_id).customer_id
    if rule.wallet_id is not None:
        customer_id = get_wallet(session, rule.wallet_id).customer_id
    tell_test(session, rule, customer_id=customer_id, now=now)
    return rule


def check_holds(rule: AlertRule) -> None:
    """Raises Conflict, code ``alert_ended``."""
    if rule.ended_at is not None:
        raise Conflict("the alert has ended; make another one", code="alert_ended")


def _lines_of(rule: AlertRule) -> Lines:
    return Lines(
        watches=rule.watches,
        thresholds=rule.thresholds,
        every=rule.every,
        resolve=rule.resolve,
        rearm=rule.rearm,
        rearm_above=rule.rearm_above,
        late=rule.late,
        currency=rule.currency if rule.is_in_money else None,
        in_percent=rule.basis == Basis.GRANTED,
    )


def _note(session: Session, rule: AlertRule, verb: str, *, actor: str, now: datetime, **more: Any) -> None:
    session.flush()
    note(session, actor=actor, action=f"alert.{verb}", subject=f"alert:{rule.id}", at=now, **more)
