"""Judges once an hour what a drain cannot: what periods will cost, and whether a day is unlike others.

How far the hour is judged is a row, so a worker that is killed is followed by one that goes on from there.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from usage_billing.alerts.models import AlertRule
from usage_billing.alerts.queries import next_under, rules_over
from usage_billing.alerts.service import lock_hour
from usage_billing.alerts.states import Watches
from usage_billing.core import crash
from usage_billing.db.apart import fault_of
from usage_billing.flows.alerting.find_anomalies import find_anomalies
from usage_billing.flows.alerting.project_spend import project_spend

AT_ONCE = 20
_WORK = {Watches.PROJECTED: project_spend, Watches.ANOMALY: find_anomalies}

_log = logging.getLogger(__name__)


def judge_hour(session: Session, watches: Watches, *, now: datetime, at_most: int = AT_ONCE) -> bool:
    """Judge the next subscriptions in the hour of ``now``; returns whether there may be more."""
    place, hour = lock_hour(session, watches), int(now.timestamp()) // 3600
    if place is None or place.hour > hour or (place.hour == hour and place.upto is None):
        return False
    after = place.upto if place.hour == hour and place.upto is not None else ""
    names = next_under(session, watches, after=after, at_most=at_most)
    if names:
        _judge_or_leave(session, rules_over(session, names, watches=(watches,)), watches, now=now, hour=hour)
    place.hour, place.upto = hour, names[-1] if len(names) == at_most else None
    session.flush()
    crash.point("alerts.hour")
    return place.upto is not None


def _judge_or_leave(
    session: Session, rules: Mapping[str, Sequence[AlertRule]], watches: Watches, *, now: datetime, hour: int
) -> None:
    fault = fault_of(session, partial(_WORK[watches], session, rules, now=now, hour=hour))
    if fault is None:
        return
    if len(rules) == 1:
        _log.error("alerts could not be judged", exc_info=fault, extra={"subscription": next(iter(rules))})
        return
    for name, over in rules.items():
        _judge_or_leave(session, {name: over}, watches, now=now, hour=hour)
