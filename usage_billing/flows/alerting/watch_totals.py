"""Judges the usage of billing periods by the rules that watch it, in the transaction that moved it.

What was crossed is told once: a unique key of the firings lets it in once, and the event is written beside it. Most
usage is not judged: a summary's ``next_alert`` says from which total on there is anything to look at.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.queries import Cycle, any_rules, rules_over, told_in
from usage_billing.alerts.service import lock_alerts, look_at, resolve
from usage_billing.alerts.states import Basis, Rearm, Watches
from usage_billing.alerts.thresholds import (
    ANY_USAGE,
    NEVER,
    Judgement,
    Past,
    judge,
    multiples,
    percent_of,
    percent_reached,
)
from usage_billing.core import crash
from usage_billing.core.decimals import EXACT, sum_of
from usage_billing.db.apart import fault_of
from usage_billing.flows.alerting.figures import PeriodFigures, by_period, charge_of, figures_of, paid_beforehand
from usage_billing.flows.alerting.telling import Crossing, Subject, store_crossing, tell_resolved
from usage_billing.metering.counted import ids_of
from usage_billing.metering.new_summaries import NewSummary, SummaryKey
from usage_billing.metering.summaries import RunningTotal, set_next_alerts

_NOTHING = Decimal(0)

_log = logging.getLogger(__name__)


def reaching(wanted: Mapping[SummaryKey, NewSummary], totals: Mapping[SummaryKey, RunningTotal]) -> list[SummaryKey]:
    """Those of the summaries that usage came to whose period reaches what alerts look at: one comparison each."""
    found = []
    for key, total in totals.items():
        line, used = total.next_alert, total.total
        if line is None or key not in wanted:
            continue
        summary = wanted[key]
        if summary.cut is not None:
            used = sum_of(totals[near].total for near in summary.neighbours if near in totals)
        if used >= line:
            found.append(key)
    return found


def watch_totals(session: Session, keys: Collection[SummaryKey]) -> None:
    """Judge the billing periods that these summaries, whose totals are saved, are in.

    What cannot be judged keeps no usage out of the books: that is logged, and tried again with the next usage.
    """
    if not keys:
        return
    rules = rules_over(session, {key.subscription_id for key in keys}) if any_rules(session) else {}
    unwatched = [key for key in keys if key.subscription_id not in rules]
    if unwatched:
        forget_alerts(session, unwatched)
    if not rules:
        return
    now = lock_alerts(session, rules)
    _judge_or_leave(session, [key for key in keys if key.subscription_id in rules], rules, now=now)


def _judge_or_leave(
    session: Session, keys: Sequence[SummaryKey], rules: Mapping[str, Sequence[AlertRule]], *, now: datetime
) -> None:
    fault = fault_of(session, lambda: _judge_all(session, keys, rules, now=now))
    if fault is None:
        return
    if len(rules) == 1:
        _log.error("alerts could not be judged", exc_info=fault, extra={"subscription": next(iter(rules))})
        return
    for name in sorted(rules):
        own = [key for key in keys if key.subscription_id == name]
        _judge_or_leave(session, own, {name: rules[name]}, now=now)


def _judge_all(
    session: Session, keys: Sequence[SummaryKey], rules: Mapping[str, Sequence[AlertRule]], *, now: datetime
) -> None:
    found = figures_of(session, keys, now=now)
    starts = {one.period.start for one in found}
    ids = {rule.id for listed in rules.values() for rule in listed}
    work = _Work(session, now, told_in(session, ids, list(rules), starts))
    for period in by_period(found):
        for rule in rules[period[0].contract.id]:
            if rule.created_at < period[0].period.end:
                work.judge_period(rule, period)
    crash.point("alerts.judged")
    work.write({id: None for one in found for id in one.summaries})


@dataclass(slots=True)
class _Work:
    """What is judged in one transaction: ``now`` it is, ``past`` says what was told before."""

    session: Session
    now: datetime
    past: Mapping[Cycle, Mapping[Decimal, Past]]
    crossings: list[Crossing] = field(default_factory=list)
    resolved: list[UUID] = field(default_factory=list)
    lines: dict[int, Decimal] = field(default_factory=dict)

    def judge_period(self, rule: AlertRule, period: Sequence[PeriodFigures]) -> None:
        """Judge all usage types of a subscription's billing period by one rule."""
        fitting = [one for one in period if is_for(rule, one)]
        if not fitting:
            return
        if rule.watches == Watches.AMOUNT or rule.basis == Basis.SPEND:
            if rule.usage_type_id is None:
                self._judge(rule, fitting, charge_of(fitting), whole=rule.amount, subject=fitting[0].contract.id)
            else:
                self._judge(rule, fitting, fitting[0].charge, whole=rule.amount)
            return
        for one in fitting:
            whole = one.limit
            if whole is not None and rule.basis == Basis.WITH_PREPAID:
                whole = EXACT.add(whole, paid_beforehand(self.session, one))
            self._judge(rule, [one], one.total, whole=whole)

    def _judge(
        self,
        rule: AlertRule,
        judged: Sequence[PeriodFigures],
        value: Decimal,
        *,
        whole: Decimal | None,
        subject: str = "",
    ) -> None:
        one = judged[0]
        named = subject or f"{one.contract.id}/{one.usage_type}"
        past = self.past.get((rule.id, named, one.period.start), {})
        crossing = Crossing(
            rule=rule,
            subject=Subject(
                name=named,
                customer_id=one.contract.customer_id,
                starts=one.period.start,
                ends=one.period.end,
                subscription_id=one.contract.id,
                usage_type=None if subject else one.usage_type,
                currency=rule.currency,
            ),
            value=value,
            base=whole if rule.watches == Watches.PERCENT else None,
            late=one.period.end <= self.now,
        )
        if rule.every is not None:
            run, following = multiples(rule.every, value, told=max(past, default=_NOTHING))
            crossing.run, waits = run, [following]
        else:
            found = _judged(rule, value, whole=whole, past=past)
            crossing.lines, waits = found.fires, found.waits
            self.resolved += found.resolves
        if crossing.run is not None or crossing.lines:
            self.crossings.append(crossing)
        line = _line_of(rule, judged, waits, whole=whole, is_sum=bool(subject))
        for id in (id for figures in judged for id in figures.summaries):
            self.lines[id] = min(line, self.lines.get(id, NEVER))

    def write(self, seen: Mapping[int, None]) -> None:
        """Store and tell what was judged, and from which total on the summaries ``seen`` are judged again."""
        for crossing in self.crossings:
            store_crossing(self.session, crossing, self.now)
        tell_resolved(self.session, resolve(self.session, self.resolved, now=self.now))
        _set_lines(self.session, {id: self.lines.get(id) for id in seen})


def forget_alerts(session: Session, keys: Collection[SummaryKey]) -> None:
    """Let no usage of these summaries be looked at: no rule is for them."""
    _set_lines(session, dict.fromkeys(ids_of(session, list(keys)).values()))


def _set_lines(session: Session, lines: Mapping[int, Decimal | None]) -> None:
    """Store from which total on summaries are judged; those that others have locked are judged again soon."""
    locked = set_next_alerts(session, lines)
    if locked:
        look_at(session, locked)


def is_for(rule: AlertRule, figures: PeriodFigures) -> bool:
    """Whether a rule over a subscription is for these figures of it: by their plan, currency and usage type."""
    if rule.plan_id is not None and figures.plan_id != rule.plan_id:
        return False
    if rule.currency is not None and figures.contract.currency != rule.currency:
        return False
    return rule.usage_type_id in (None, figures.usage_type)


def _judged(rule: AlertRule, value: Decimal, *, whole: Decimal | None, past: Mapping[Decimal, Past]) -> Judgement:
    def reached(line: Decimal) -> bool:
        if rule.watches == Watches.PERCENT:
            return percent_reached(value, whole, line)
        return value >= line

    return judge(rule.thresholds or [], reached=reached, past=past, rearms=rule.rearm == Rearm.ON_RESOLVE)


def _line_of(
    rule: AlertRule, judged: Sequence[PeriodFigures], waits: Sequence[Decimal], *, whole: Decimal | None, is_sum: bool
) -> Decimal:
    """From which total of the period on ``rule`` has anything to look at."""
    is_percent = rule.watches == Watches.PERCENT
    if not waits or (is_percent and whole is None):
        return NEVER
    line = percent_of(whole, waits[0]) if is_percent and whole is not None else waits[0]
    if rule.watches == Watches.UNITS or (is_percent and rule.basis != Basis.SPEND):
        return line
    if is_sum:
        return ANY_USAGE
    try:
        quantity = judged[0].quantity_for(line)
    except LookupError:
        return ANY_USAGE
    return NEVER if quantity is None else max(quantity, ANY_USAGE)
