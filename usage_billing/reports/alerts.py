"""Alerts and firings as they are shown."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertFiring, AlertRule
from usage_billing.alerts.queries import get_rule
from usage_billing.alerts.states import Basis, Watches
from usage_billing.catalog.queries import quotas_of
from usage_billing.core.decimals import plain
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit
from usage_billing.subscriptions.queries import contracts_by_id
from usage_billing.wallets.queries import currencies_of


@dataclass(frozen=True, slots=True)
class AlertView:
    """A rule with its lines as texts, and why it may never tell anything."""

    rule: AlertRule
    warning: str | None = None

    @property
    def scope(self) -> dict[str, Any]:
        """What it is for."""
        rule = self.rule
        named = {
            "subscription_id": rule.subscription_id,
            "plan_id": rule.plan_id,
            "customer_id": rule.customer_id,
            "wallet_id": rule.wallet_id,
        }
        return named if any(named.values()) else {"everything": True}

    @property
    def amount(self) -> str | None:
        """What 100 percent of spend are."""
        return None if self.rule.amount is None else written(self.rule.amount, self.rule.currency)

    @property
    def thresholds(self) -> list[str] | None:
        """Its lines, ascending."""
        lines = self.rule.thresholds
        return None if lines is None else [written(one, self._money) for one in sorted(lines)]

    @property
    def rearm_above(self) -> str | None:
        """What a balance must come back to."""
        return None if self.rule.rearm_above is None else written(self.rule.rearm_above, self._money)

    @property
    def every(self) -> str | None:
        """Of what each multiple is a line."""
        return None if self.rule.every is None else written(self.rule.every, self._money)

    @property
    def _money(self) -> str | None:
        return self.rule.currency if self.rule.is_in_money else None


@dataclass(frozen=True, slots=True)
class FiringView:
    """A firing with its figures as texts; ``currency`` is that of its money."""

    firing: AlertFiring
    rule: AlertRule
    currency: str | None

    @property
    def threshold(self) -> str:
        """The line."""
        return written(self.firing.threshold, self._money)

    @property
    def begins(self) -> str | None:
        """The first multiple of several."""
        return None if self.firing.begins is None else written(self.firing.begins, self._money)

    @property
    def value(self) -> str:
        """What was compared."""
        return written(self.firing.value, self.currency)

    @property
    def base(self) -> str | None:
        """What 100 percent are."""
        return None if self.firing.base is None else written(self.firing.base, self.currency)

    @property
    def _money(self) -> str | None:
        return self.currency if self.rule.is_in_money else None


def written(value: Decimal, currency: str | None) -> str:
    """As money of a currency, or as a quantity."""
    return plain(value) if currency is None else money_text(value, minor_unit(currency))


def alert_view(session: Session, rule_id: str) -> AlertView:
    """A rule as it is shown; raises NotFound."""
    session.flush()
    rule = get_rule(session, rule_id)
    return AlertView(rule, _warning(session, rule))


def alert_views(rules: Collection[AlertRule]) -> list[AlertView]:
    """Rules as they are shown in a list, without warnings."""
    return [AlertView(rule) for rule in rules]


def firing_views(session: Session, firings: Sequence[AlertFiring]) -> list[FiringView]:
    """Firings as they are shown."""
    ids = {one.rule_id for one in firings}
    rules = {rule.id: rule for rule in session.scalars(select(AlertRule).where(AlertRule.id.in_(ids)))}
    currencies = currencies_of(session, {one.wallet_id for one in firings if one.wallet_id})
    return [
        FiringView(one, rule := rules[one.rule_id], currencies.get(one.wallet_id or "", rule.currency))
        for one in firings
    ]


def _warning(session: Session, rule: AlertRule) -> str | None:
    """That no percentage of an allowance without a bound is ever reached."""
    if rule.watches != Watches.PERCENT or rule.basis == Basis.SPEND or rule.usage_type_id is None:
        return None
    plans, owners = {rule.plan_id} - {None}, {rule.subscription_id} - {None}
    if rule.subscription_id is not None:
        (contract,) = contracts_by_id(session, [rule.subscription_id])
        plans = {term.plan_id for term in contract.timeline.terms}
    if not plans:
        return None
    book = quotas_of(session, [one for one in plans if one], subscription_ids=[one for one in owners if one])
    listed = [found for key, found in (*book.listed.items(), *book.own.items()) if key[1] == rule.usage_type_id]
    if any(quota.limit is not None for found in listed for quota in found):
        return None
    return f"nothing bounds {rule.usage_type_id} there: no percentage of it is ever reached"
