"""Tasks of alerts: what may have moved is judged anew, and what a period's end brings back is told."""

from tasks import base
from tasks.celery import app
from usage_billing.alerts.service import last_look
from usage_billing.db.clock import database_now
from usage_billing.db.session import transaction
from usage_billing.flows.alerting.judge_anew import judge_anew, resolve_over


@app.task(name="alerts.judge")
def judge() -> None:
    """Judge subscriptions whose lines may have moved, some in each transaction, and resolve what is over."""
    with transaction(base.engine()) as session:
        upto = last_look(session)
    while not base.stopping():
        with transaction(base.engine()) as session:
            now = database_now(session)
            if not judge_anew(session, now=now, upto=upto) + resolve_over(session, now=now):
                return
