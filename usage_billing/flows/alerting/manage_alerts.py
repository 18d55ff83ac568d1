"""Alerts are made, changed, tried and ended. What they watch is judged within some seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from usage_billing.alerts import service
from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.queries import get_rule
from usage_billing.alerts.states import Basis, Late, Rearm, Watches
from usage_billing.audit.service import note
from usage_billing.catalog.models import Plan, UsageType
from usage_billing.catalog.queries import get_named
from usage_billing.core.decimals import MAX_QUANTITY
from usage_billing.core.errors import Conflict, InvalidInput
from usage_billing.core.identifiers import new_text_id
from usage_billing.customers.queries import get_customer
from usage_billing.flows.alerting.telling import tell_test
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.queries import get_contract
from usage_billing.webhooks.queries import get_endpoint

MOST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """A rule to be made: for one of the three, or for ``everything``. ``thresholds`` are ascending."""

    watches: str
    id: str | None = None
    subscription_id: str | None = None
    plan_id: str | None = None
    customer_id: str | None = None
    everything: bool = False
    usage_type: str | None = None
    basis: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    thresholds: Sequence[Decimal] | None = None
    every: Decimal | None = None
    resolve: bool = False
    rearm: str = Rearm.NEVER
    late: str = Late.TELL
    to: Sequence[str] | None = None


def create_alert(session: Session, new: NewAlert, *, actor: str, now: datetime) -> AlertRule:
    """Store ``new``. Raises InvalidInput, NotFound, Conflict ``already_exists``."""
    _check_scope(session, new)
    _check_basis(new)
    if new.usage_type is not None:
        get_named(session, UsageType, new.usage_type)
    currency = _currency(session, new)
    check_lines(new.thresholds, new.every, currency=currency if new.watches == Watches.AMOUNT else None)
    _check_coming_back(new.every, resolve=new.resolve, rearm=new.rearm)
    values = {
        "id": new.id or f"al_{new_text_id()}",
        "subscription_id": new.subscription_id,
        "plan_id": new.plan_id,
        "customer_id": new.customer_id,
        "watches": new.watches,
        "usage_type_id": new.usage_type,
        "basis": _basis(new),
        "amount": new.amount,
        "currency": currency,
        "thresholds": None if new.thresholds is None else list(new.thresholds),
        "every": new.every,
        "resolve": new.resolve,
        "rearm": new.rearm,
        "late": new.late,
        "told_to": named_endpoints(session, new.to),
        "holds_since": now,
        "created_at": now,
    }
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
    if "thresholds" in changes or "every" in changes:
        lines, every = changes.get("thresholds"), changes.get("every")
        check_lines(lines, every, currency=rule.currency if rule.watches == Watches.AMOUNT else None)
        if (lines, every) != (service.decimals(rule.thresholds) or None, rule.every):
            rule.thresholds, rule.every = (None if lines is None else list(lines)), every
            rule.holds_since = now
    for name in ("resolve", "rearm", "late"):
        if name in changes:
            setattr(rule, name, changes[name])
    _check_coming_back(rule.every, resolve=rule.resolve, rearm=rule.rearm)
    if "to" in changes:
        rule.told_to = named_endpoints(session, changes["to"])
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
    tell_test(session, rule, customer_id=customer_id, now=now)
    return rule


def check_holds(rule: AlertRule) -> None:
    """Raises Conflict, code ``alert_ended``."""
    if rule.ended_at is not None:
        raise Conflict("the alert has ended; make another one", code="alert_ended")


def check_lines(thresholds: Sequence[Decimal] | None, every: Decimal | None, *, currency: str | None) -> None:
    """Raises InvalidInput unless it is thresholds that ascend, or a multiple; in a currency, of its minor unit."""
    if (thresholds is None) == (every is None):
        raise InvalidInput.field("/thresholds", "give either thresholds or every", code="contradiction")
    lines = [("/every", every)] if thresholds is None else [(f"/thresholds/{i}", t) for i, t in enumerate(thresholds)]
    if not 1 <= len(lines) <= MOST_LINES:
        raise InvalidInput.field("/thresholds", f"must be 1 to {MOST_LINES}", code="out_of_range")
    before = Decimal(0)
    for pointer, line in lines:
        if line is None or not 0 < line <= MAX_QUANTITY:
            raise InvalidInput.field(pointer, f"must be more than 0, and at most {MAX_QUANTITY}", code="out_of_range")
        if line <= before:
            raise InvalidInput.field(pointer, "must be greater than the one before it", code="contradiction")
        if currency is not None:
            _check_money(pointer, line, currency)
        before = line


def named_endpoints(session: Session, ids: Sequence[str] | None) -> list[str] | None:
    """The endpoints of these ids, each of which is there and named once; raises InvalidInput, NotFound."""
    if ids is None:
        return None
    if not ids or len(set(ids)) < len(ids):
        raise InvalidInput.field("/to", "must name at least one endpoint, each once", code="repeated")
    for id in ids:
        get_endpoint(session, id)
    return list(ids)


def _check_scope(session: Session, new: NewAlert) -> None:
    named = [new.subscription_id, new.plan_id, new.customer_id, new.everything or None]
    if sum(one is not None for one in named) != 1:
        raise InvalidInput.field("/scope", "must name one: subscriptionId, planId, userId or all", code="contradiction")
    if new.subscription_id is not None:
        get_contract(session, new.subscription_id)
    if new.plan_id is not None:
        get_named(session, Plan, new.plan_id)
    if new.customer_id is not None:
        get_customer(session, new.customer_id)


def _basis(new: NewAlert) -> str | None:
    return new.basis or (Basis.ALLOWANCE if new.watches == Watches.PERCENT else None)


def _check_basis(new: NewAlert) -> None:
    basis = _basis(new)
    if basis is not None and new.watches != Watches.PERCENT:
        raise InvalidInput.field("/basis", "is for percent", code="contradiction")
    if (new.amount is not None) != (basis == Basis.SPEND):
        raise InvalidInput.field("/amount", "is what 100 percent of spend are", code="contradiction")
    if new.currency is not None and basis != Basis.SPEND and new.watches != Watches.AMOUNT:
        raise InvalidInput.field("/currency", "is for money", code="contradiction")


def _currency(session: Session, new: NewAlert) -> str | None:
    """The currency of a rule that watches money: that of its subscription or its plan, or else the one given."""
    if new.watches != Watches.AMOUNT and new.amount is None:
        return None
    own: str | None = None
    if new.subscription_id is not None:
        own = get_contract(session, new.subscription_id).currency
    elif new.plan_id is not None:
        own = get_named(session, Plan, new.plan_id).currency
    if own is not None and new.currency not in (None, own):
        raise InvalidInput.field("/currency", f"is {own} there", code="contradiction")
    currency = own or new.currency
    if currency is None:
        raise InvalidInput.field("/currency", "is needed for money of several plans", code="required")
    if new.amount is not None:
        if new.amount <= 0:
            raise InvalidInput.field("/amount", "must be greater than 0", code="out_of_range")
        _check_money("/amount", new.amount, currency)
    return currency


def _check_money(pointer: str, value: Decimal, currency: str) -> None:
    if value != round(value, minor_unit(currency)):
        message = f"must have at most {minor_unit(currency)} decimal places in {currency}"
        raise InvalidInput.field(pointer, message, code="not_a_decimal")


def _check_coming_back(every: Decimal | None, *, resolve: bool, rearm: str) -> None:
    if every is not None and (resolve or rearm != Rearm.NEVER):
        raise InvalidInput.field(
            "/resolve", "each multiple is told once: nothing of it comes back", code="contradiction"
        )


def _note(session: Session, rule: AlertRule, verb: str, *, actor: str, now: datetime, **more: Any) -> None:
    session.flush()
    note(session, actor=actor, action=f"alert.{verb}", subject=f"alert:{rule.id}", at=now, **more)
