"""Foresees what billing periods will cost at their end, and tells what two hours running agree on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.projection import DAYS, may_project, still_to_come
from usage_billing.alerts.queries import projections_of, told_in
from usage_billing.alerts.service import foresee, resolve
from usage_billing.alerts.states import Rearm
from usage_billing.alerts.thresholds import judge
from usage_billing.core import crash
from usage_billing.core.decimals import sum_of
from usage_billing.core.money import round_to_minor_unit
from usage_billing.db.rows import read_rows
from usage_billing.flows.alerting.figures import Coming, PeriodFigures, by_period, figures_of, paid_beforehand
from usage_billing.flows.alerting.kept_days import KeptDays, kept_days
from usage_billing.flows.alerting.telling import Crossing, Subject, store_crossing, tell_resolved
from usage_billing.flows.alerting.watch_totals import is_for
from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.rating.currency import minor_unit
from usage_billing.wallets.allocation import pays_for

_RUNNING = text("""
    SELECT subscription_id, usage_type_id, period_start
    FROM usage_summaries
    WHERE subscription_id = ANY(CAST(:subscriptions AS text[])) AND period_start <= :now AND period_end > :now
""")


def project_spend(session: Session, rules: Mapping[str, Sequence[AlertRule]], *, now: datetime, hour: int) -> None:
    """Judge the running periods of these subscriptions by the rules over each."""
    keys = read_rows(session.execute(_RUNNING, {"subscriptions": list(rules), "now": now}), SummaryKey)
    present = [one for one in figures_of(session, keys, now=now) if may_project(one.period, now)]
    kept = kept_days(session, present, days=DAYS, now=now, until=now)
    ahead = _ahead(session, keys, present, kept, now=now)
    ids = {rule.id for listed in rules.values() for rule in listed}
    work = _Work(session, now, hour, projections_of(session, ids))
    work.past = told_in(session, ids, list(rules), {one.period.start for one in present})
    for period in by_period(present):
        for rule in rules[period[0].contract.id]:
            fitting = [one for one in period if is_for(rule, one)]
            # Without the days of one type there is nothing to say of the sum yet.
            if fitting and all(kept.is_known(one) for one in fitting) and rule.created_at < fitting[0].period.end:
                work.judge(rule, fitting, sum_of(ahead[_name(one)] for one in fitting))
    work.write()


def _name(one: PeriodFigures) -> tuple[str, str]:
    return one.contract.id, one.usage_type


def _ahead(
    session: Session, keys: Sequence[SummaryKey], present: Sequence[PeriodFigures], kept: KeptDays, *, now: datetime
) -> dict[tuple[str, str], Decimal]:
    """What the usage of each period will cost, by subscription and usage type."""
    more: dict[tuple[str, str], Decimal] = {}
    coming: dict[int, Coming] = {}
    for one in present:
        quantity = more[_name(one)] = still_to_come(kept.days(one), one.period.end - now)
        running = next((part.counted for part in one.segments if part.part.start <= now < part.part.end), None)
        if not quantity or running is None or running.id <= 0 or running.frozen or not _is_rated_by_total(one):
            continue
        paid = paid_beforehand(session, one) if one.is_paid_beforehand else None
        coming[running.id] = Coming(quantity, paid)
    found = figures_of(session, keys, now=now, coming=coming) if coming else present
    charges = {_name(one): one.charge for one in found if one.period.start <= now < one.period.end}
    return charges | {
        _name(one): _in_proportion(one, more[_name(one)]) for one in present if not _is_rated_by_total(one)
    }


def _is_rated_by_total(one: PeriodFigures) -> bool:
    """Whether the price asks how much it is in all; else it asks of each recording or of each cell."""
    return all(part.part.price is None or pays_for(part.part.price) for part in one.segments)


def _in_proportion(one: PeriodFigures, more: Decimal) -> Decimal:
    """What is charged so far, and as much for each unit to come."""
    if one.total <= 0:
        return one.charge
    charge = Fraction(one.charge) * (Fraction(one.total) + Fraction(more)) / Fraction(one.total)
    digits = minor_unit(one.contract.currency)
    return round_to_minor_unit(Decimal(round(charge * 10 ** (digits + 2))).scaleb(-digits - 2), digits)


@dataclass(slots=True)
class _Work:
    """What is judged in one transaction, beside what the hour before foresaw."""

    session: Session
    now: datetime
    hour: int
    before: Mapping[tuple[str, str], Any]
    past: Mapping[Any, Any] = field(default_factory=dict)
    crossings: list[Crossing] = field(default_factory=list)
    resolved: list[UUID] = field(default_factory=list)
    foreseen: list[dict[str, Any]] = field(default_factory=list)

    def judge(self, rule: AlertRule, judged: Sequence[PeriodFigures], value: Decimal) -> None:
        """Judge what the usage of a period will cost: of one type, or of all together."""
        one = judged[0]
        usage_type = rule.usage_type_id
        subject = Subject(
            name=one.contract.id if usage_type is None else f"{one.contract.id}/{usage_type}",
            customer_id=one.contract.customer_id,
            starts=one.period.start,
            ends=one.period.end,
            subscription_id=one.contract.id,
            usage_type=usage_type,
            currency=rule.currency,
        )
        row = {"rule_id": rule.id, "subject": subject.name, "period_start": subject.starts}
        self.foreseen.append({**row, "hour": self.hour, "value": value})
        before = self.before.get((rule.id, subject.name))
        if before is None or (before.period_start, before.hour) != (subject.starts, self.hour - 1):
            return
        found = judge(
            rule.thresholds or [],
            reached=partial(_reaches, min(before.value, value)),
            past=self.past.get((rule.id, subject.name, subject.starts), {}),
            rearms=rule.rearm == Rearm.ON_RESOLVE,
            is_back=partial(_is_below, max(before.value, value)),
        )
        self.resolved += found.resolves
        if found.fires:
            self.crossings.append(Crossing(rule, subject, value, None, late=False, lines=found.fires))

    def write(self) -> None:
        """Store and tell what was judged."""
        crash.point("alerts.projected")
        for crossing in self.crossings:
            store_crossing(self.session, crossing, self.now)
        tell_resolved(self.session, resolve(self.session, self.resolved, now=self.now))
        foresee(self.session, self.foreseen)


def _reaches(value: Decimal, line: Decimal) -> bool:
    return value >= line


def _is_below(value: Decimal, line: Decimal) -> bool:
    return value < line
