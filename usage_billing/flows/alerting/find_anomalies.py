"""Finds days on which a subscription uses much more of a type than on the same weekdays before."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.projection import LAST_WEEK, is_unusual, usual
from usage_billing.alerts.queries import told_in
from usage_billing.alerts.service import resolve
from usage_billing.alerts.states import Rearm
from usage_billing.alerts.thresholds import judge
from usage_billing.core import crash
from usage_billing.db.rows import read_rows
from usage_billing.flows.alerting.figures import PeriodFigures, figures_of
from usage_billing.flows.alerting.kept_days import kept_days
from usage_billing.flows.alerting.telling import Crossing, Subject, store_crossing, tell_resolved
from usage_billing.flows.alerting.watch_totals import is_for
from usage_billing.metering.new_summaries import SummaryKey
from usage_billing.meters.days import day_before

_HOUR = timedelta(hours=1)
_AROUND = text("""
    SELECT subscription_id, usage_type_id, period_start
    FROM usage_summaries
    WHERE subscription_id = ANY(CAST(:subscriptions AS text[])) AND period_start <= :now AND period_end > :now
""")


def find_anomalies(session: Session, rules: Mapping[str, Sequence[AlertRule]], *, now: datetime, hour: int) -> None:  # noqa: ARG001
    """Judge today's usage of these subscriptions; in the first hour of a day what the day before came to at its end."""
    for instant in (now - _HOUR, now):
        _judge_day(session, rules, instant=instant, now=now)


def _judge_day(session: Session, rules: Mapping[str, Sequence[AlertRule]], *, instant: datetime, now: datetime) -> None:
    """Judge the day around ``instant``; of one that ``now`` is in too, only where that is ``instant``."""
    keys = read_rows(session.execute(_AROUND, {"subscriptions": list(rules), "now": instant}), SummaryKey)
    figures = [
        one
        for one in figures_of(session, keys, now=instant)
        if one.period.start <= instant < one.period.end
        and (instant == now or _day_of(one, instant) != _day_of(one, now))
    ]
    kept = kept_days(session, figures, days=7 * LAST_WEEK, now=instant, until=now)
    ids = {rule.id for listed in rules.values() for rule in listed}
    past = told_in(session, ids, list(rules), {_day_of(one, instant) for one in figures})
    crossings, resolved = list[Crossing](), list[UUID]()
    for one in figures:
        days, today = kept.days(one, every=7), kept.today(one)
        for rule in rules[one.contract.id]:
            if not kept.adds_up(one) or not is_for(rule, one):
                continue
            subject = _subject(one, instant)
            found = judge(
                rule.thresholds or [],
                reached=partial(_is_reached, today, days),
                past=past.get((rule.id, subject.name, subject.starts), {}),
                rearms=rule.rearm == Rearm.ON_RESOLVE,
            )
            resolved += found.resolves
            if found.fires:
                crossings.append(Crossing(rule, subject, today, usual(days), late=False, lines=found.fires))
    crash.point("alerts.compared")
    for crossing in crossings:
        store_crossing(session, crossing, now)
    tell_resolved(session, resolve(session, resolved, now=now))


def _day_of(one: PeriodFigures, instant: datetime) -> datetime:
    return day_before(instant, 0, zone=one.contract.timeline.zone)


def _subject(one: PeriodFigures, instant: datetime) -> Subject:
    """A usage type of a subscription, in the cycle of a day."""
    return Subject(
        name=f"{one.contract.id}/{one.usage_type}",
        customer_id=one.contract.customer_id,
        starts=_day_of(one, instant),
        ends=day_before(instant, -1, zone=one.contract.timeline.zone),
        subscription_id=one.contract.id,
        usage_type=one.usage_type,
    )


def _is_reached(today: Decimal, days: Sequence[Decimal], line: Decimal) -> bool:
    return is_unusual(today, days, deviations=line)
