"""Checks of alerts: whether what may have moved is judged, and what is judged hourly is judged each hour."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.doctor.finding import WARN, Finding, fine

_THERE = text("SELECT count(*) FROM alert_rules WHERE ended_at IS NULL")
_WAITING = text("""
    SELECT count(DISTINCT coalesce(subscription_id, customer_id)) AS subjects,
        coalesce(extract(epoch FROM now() - min(asked_at)), 0) AS age
    FROM alert_looks
""")
_DUE = text("""
    SELECT count(*) AS wallets, coalesce(extract(epoch FROM now() - min(look_at)), 0) AS age
    FROM alert_wallets
    WHERE look_at < now()
""")
# A rule that is younger than some hours may not have been judged yet.
_HOURS = text("""
    SELECT DISTINCT r.watches
    FROM alert_rules AS r
    LEFT JOIN alert_hours AS h ON h.watches = r.watches
    WHERE r.ended_at IS NULL AND r.watches IN ('projected', 'anomaly') AND r.created_at < now() - interval '3 hours'
        AND coalesce(h.hour, 0) < floor(extract(epoch FROM now()) / 3600) - 2
    ORDER BY 1
""")
_LATE_SECONDS = 120  # the task that judges comes every five seconds
_CURE = "start a worker that serves the queue housekeeping, and beat; they are judged within seconds then"


def check_alerts(session: Session) -> Iterator[Finding]:
    """Whether alerts wait long to be judged; nothing is said where there are none."""
    found = list(_late(session))
    yield from found
    rules = session.execute(_THERE).scalar_one()
    if rules and not found:
        yield fine("alerts", f"alerts that hold: {rules}")


def _late(session: Session) -> Iterator[Finding]:
    waiting = session.execute(_WAITING).one()
    if waiting.age > _LATE_SECONDS:
        message = (
            f"subscriptions and customers whose alerts may have moved wait to be judged: {waiting.subjects}, the first"
            f" for {int(waiting.age)} s"
        )
        yield Finding("alerts", WARN, "alerts_not_judged", message, _CURE)
    due = session.execute(_DUE).one()
    if due.age > _LATE_SECONDS:
        message = f"wallets wait for the clock's word on their balance: {due.wallets}, the first for {int(due.age)} s"
        yield Finding("alerts", WARN, "balances_not_judged", message, _CURE)
    for name in session.scalars(_HOURS):
        message = f"alerts on {name} were not judged for more than two hours"
        yield Finding("alerts", WARN, "hours_not_judged", message, _CURE)
