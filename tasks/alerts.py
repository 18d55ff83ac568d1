"""Tasks of alerts: what may have moved is judged anew, and what a period's end brings back is told."""

from tasks import base
from tasks.celery import app
from usage_billing.alerts.service import last_look
from usage_billing.alerts.states import Watches
from usage_billing.db.clock import database_now
from usage_billing.db.session import transaction
from usage_billing.flows.alerting.judge_anew import judge_anew, judge_due, resolve_over
from usage_billing.flows.alerting.judge_hourly import judge_hour


@app.task(name="alerts.judge")
def judge() -> None:
    """Judge subscriptions and wallets whose lines may have moved, some in each transaction; resolve what is over."""
    with transaction(base.engine()) as session:
        upto = last_look(session)
    while not base.stopping():
        with transaction(base.engine()) as session:
            now = database_now(session)
            judged = judge_anew(session, now=now, upto=upto)
        with transaction(base.engine()) as session:
            if not judged + judge_due(session, now=now) + resolve_over(session, now=now):
                return


@app.task(name="alerts.project")
def project() -> None:
    """Foresee what running periods will cost, once an hour each; a later message goes on where one was killed."""
    _judge_hour(Watches.PROJECTED)


@app.task(name="alerts.find_anomalies")
def find_anomalies() -> None:
    """Compare today's usage with what is usual, once an hour; a later message goes on where one was killed."""
    _judge_hour(Watches.ANOMALY)


def _judge_hour(watches: Watches) -> None:
    goes_on = True
    while goes_on and not base.stopping():
        with transaction(base.engine()) as session:
            goes_on = judge_hour(session, watches, now=database_now(session))
