"""The facts of alerts: what was crossed, and what came back."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertFiring, AlertRule
from usage_billing.alerts.queries import get_rule
from usage_billing.alerts.service import add_firings, state_of
from usage_billing.alerts.states import Late
from usage_billing.alerts.thresholds import Run
from usage_billing.core import crash
from usage_billing.core.decimals import plain
from usage_billing.core.identifiers import new_id
from usage_billing.core.money import money_text
from usage_billing.outbox.service import Fact, tell
from usage_billing.rating.currency import minor_unit
from usage_billing.wallets.queries import currencies_of
from usage_billing.wire.alert_told import ALERT_TOLD
from usage_billing.wire.event_type import EventType
from usage_billing.wire.noun import show


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a rule watches by itself, in a cycle that begins at ``starts`` and is over at ``ends`` (None: never).

    ``name`` tells it from others of the rule. ``currency`` is that of its money; None for units.
    """

    name: str
    customer_id: str
    starts: datetime
    ends: datetime | None
    subscription_id: str | None = None
    usage_type: str | None = None
    wallet_id: str | None = None
    currency: str | None = None


@dataclass(slots=True)
class Crossing:
    """What one rule has to tell of one subject.

    ``lines`` are thresholds with their rounds, ascending; or ``run`` has the multiples. ``base`` is what 100 percent
    are. ``ids`` has the firing of each threshold.
    """

    rule: AlertRule
    subject: Subject
    value: Decimal
    base: Decimal | None
    late: bool
    lines: list[tuple[Decimal, int]] = field(default_factory=list)
    run: Run | None = None
    ids: dict[UUID, Decimal] = field(default_factory=dict)

    def firings(self, now: datetime) -> Iterator[dict[str, Any]]:
        """A row for each threshold."""
        lines = self.lines if self.run is None else [(self.run.ends, 0)]
        for threshold, turn in lines:
            id = new_id()
            self.ids[id] = threshold
            yield {
                "id": id,
                "rule_id": self.rule.id,
                "subject": self.subject.name,
                "period_start": self.subject.starts,
                "round": turn,
                "threshold": threshold,
                "period_end": self.subject.ends,
                "customer_id": self.subject.customer_id,
                "subscription_id": self.subject.subscription_id,
                "wallet_id": self.subject.wallet_id,
                "usage_type_id": self.subject.usage_type,
                "begins": None if self.run is None else self.run.begins,
                "value": self.value,
                "base": self.base,
                "late": self.late,
                "state": state_of(self.rule),
                "fired_at": now,
            }


def store_crossing(session: Session, crossing: Crossing, now: datetime) -> None:
    """Store what was crossed, and tell what was not told before."""
    told = add_firings(session, list(crossing.firings(now)))
    crash.point("alerts.fired")
    tell_crossings(session, crossing, told)


def tell_crossings(session: Session, crossing: Crossing, told: Collection[UUID]) -> None:
    """Tell those thresholds that were not told before, as one event, the highest first.

    A rule that is silent of late usage keeps its firings, and tells nothing.
    """
    new = sorted((crossing.ids[id], id) for id in told)
    if not new or (crossing.late and crossing.rule.late == Late.SILENT):
        return
    rule, run = crossing.rule, crossing.run
    told_values = _shown(
        rule,
        crossing.subject,
        crossed=[threshold for threshold, _ in reversed(new)] if run is None else [],
        value=crossing.value,
        base=crossing.base,
        late=crossing.late,
        run=run,
    )
    key = f"{EventType.ALERT_TRIGGERED}:{new[-1][1]}"
    tell(session, [Fact(EventType.ALERT_TRIGGERED, key, told_values, crossing.subject.customer_id)])


def tell_resolved(session: Session, ids: Collection[UUID]) -> None:
    """Tell of firings that were resolved, those of one rule, subject and period as one event."""
    if not ids:
        return
    firings = session.scalars(
        select(AlertFiring).where(AlertFiring.id.in_(ids)).execution_options(populate_existing=True)
    )
    tell_back(session, list(firings))


def tell_back(session: Session, firings: Collection[AlertFiring]) -> None:
    """Tell ``alert.resolved`` of these firings, where their rule says so."""
    together: dict[tuple[str, str, datetime], list[AlertFiring]] = {}
    for one in firings:
        together.setdefault((one.rule_id, one.subject, one.period_start), []).append(one)
    facts = []
    currencies = currencies_of(session, {one.wallet_id for one in firings if one.wallet_id})
    for (rule_id, _, _), listed in sorted(together.items()):
        rule = get_rule(session, rule_id)
        if not rule.resolve:
            continue
        listed.sort(key=lambda one: one.threshold)
        last = listed[-1]
        subject = Subject(
            name=last.subject,
            customer_id=last.customer_id,
            starts=last.period_start,
            ends=last.period_end,
            subscription_id=last.subscription_id,
            usage_type=last.usage_type_id,
            wallet_id=last.wallet_id,
            currency=currencies.get(last.wallet_id or "", rule.currency),
        )
        told = _shown(
            rule,
            subject,
            crossed=[one.threshold for one in reversed(listed)],
            value=None,
            base=last.base,
            late=False,
            run=None,
        )
        key = f"{EventType.ALERT_RESOLVED}:{last.id}"
        facts.append(Fact(EventType.ALERT_RESOLVED, key, told, last.customer_id))
    tell(session, facts)


def tell_test(session: Session, rule: AlertRule, *, customer_id: str | None, now: datetime) -> None:
    """Tell an event that is marked as a test, with the rule's lines as crossed; nothing has happened."""
    told = _shown(
        rule,
        None,
        customer_id=customer_id,
        subscription_id=rule.subscription_id,
        wallet_id=rule.wallet_id,
        usage_type=rule.usage_type_id,
        crossed=sorted(rule.thresholds or [], reverse=True),
        value=None,
        base=None,
        late=False,
        run=None if rule.every is None else Run(rule.every, rule.every),
    )
    key = f"{EventType.ALERT_TRIGGERED}:test:{rule.id}:{now.isoformat()}:{new_id()}"
    tell(session, [Fact(EventType.ALERT_TRIGGERED, key, {**told, "test": True}, customer_id)])


def _shown(
    rule: AlertRule,
    subject: Subject | None,
    *,
    crossed: Collection[Decimal],
    value: Decimal | None,
    base: Decimal | None,
    late: bool,
    run: Run | None,
    **more: Any,
) -> dict[str, Any]:
    """The data of an event; of a test, which has no subject, ``more`` says what it is about."""
    worth = rule.currency if subject is None else subject.currency
    money = worth if rule.is_in_money else None
    about = more if subject is None else asdict(subject)
    return show(
        ALERT_TOLD,
        {
            "starts": None,
            "ends": None,
            **about,
            "rule_id": rule.id,
            "watches": rule.watches,
            "basis": rule.basis,
            "crossed": [_written(one, money) for one in crossed],
            "from_line": None if run is None else _written(run.begins, money),
            "to_line": None if run is None else _written(run.ends, money),
            "value": None if value is None else _written(value, worth),
            "limit": None if base is None else _written(base, worth),
            "currency": worth,
            "late": late,
            "endpoints": rule.told_to,
        },
    )


def _written(value: Decimal, currency: str | None) -> str:
    """As money where it is of a currency, and as a quantity otherwise."""
    return plain(value) if currency is None else money_text(value, minor_unit(currency))
