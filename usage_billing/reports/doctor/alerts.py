"""A check of alerts: whether what may have moved is judged."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.doctor.finding import WARN, Finding, fine

_THERE = text("SELECT count(*) FROM alert_rules WHERE ended_at IS NULL")
_WAITING = text("""
    SELECT count(DISTINCT subscription_id) AS subscriptions,
        coalesce(extract(epoch FROM now() - min(asked_at)), 0) AS age
    FROM alert_looks
""")
_LATE_SECONDS = 120  # the task that judges comes every five seconds


def check_alerts(session: Session) -> Iterator[Finding]:
    """Whether subscriptions wait long to be judged anew; nothing is said where there are no alerts."""
    waiting = session.execute(_WAITING).one()
    if waiting.age > _LATE_SECONDS:
        message = (
            f"subscriptions whose alerts may have moved wait to be judged: {waiting.subscriptions}, the first for"
            f" {int(waiting.age)} s"
        )
        cure = "start a worker that serves the queue housekeeping, and beat; they are judged within seconds then"
        yield Finding("alerts", WARN, "alerts_not_judged", message, cure)
        return
    rules = session.execute(_THERE).scalar_one()
    if rules:
        yield fine("alerts", f"alerts that hold: {rules}")
