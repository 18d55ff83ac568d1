"""What billing runs tell: one that is stuck or fails, days without a run, subscriptions that cannot be billed."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.billing_runs.queries import standing_warnings
from usage_billing.reports.doctor.finding import FAIL, WARN, Finding, fine, listed

_STALLED = timedelta(minutes=15)
_BILLED_DAILY = timedelta(days=2)

_RUNS = text(
    """
    SELECT count(*) FILTER (WHERE status NOT IN ('completed', 'failed') AND heartbeat_at < :stalled) AS stalled,
        min(id::text) FILTER (WHERE status NOT IN ('completed', 'failed') AND heartbeat_at < :stalled) AS first,
        max(finished_at) FILTER (WHERE status = 'completed' AND NOT dry_run AND subscription_id IS NULL) AS last,
        (SELECT count(*) FROM usage_summaries WHERE to_rate) AS to_rate,
        count(*) FILTER (WHERE status NOT IN ('completed', 'failed') AND error IS NOT NULL) AS failing,
        min(id::text || ': ' || error) FILTER (WHERE status NOT IN ('completed', 'failed')) AS error
    FROM billing_runs
    """
)


def check_runs(session: Session, *, now: datetime) -> Iterator[Finding]:
    """Whether runs come to their end, and every subscription is billed by them."""
    yield _progress(session, now)
    yield _unbilled(session)


def _progress(session: Session, now: datetime) -> Finding:
    runs = session.execute(_RUNS, {"stalled": now - _STALLED}).one()
    if runs.stalled:
        return Finding(
            "billing",
            FAIL,
            "run_stalled",
            f"{runs.stalled} billing runs are unfinished and no worker works on them, such as {runs.first}",
            "start a worker and beat: they finish it; or `usage-billing bill` does what is due now",
        )
    if runs.failing:
        return Finding(
            "billing",
            FAIL,
            "run_failing",
            f"{runs.failing} billing runs fail and are tried again, such as {runs.error}",
            "put right what it says, and the next try, within minutes, completes it; the worker's log has the rest",
        )
    if runs.to_rate and (runs.last is None or runs.last < now - _BILLED_DAILY):
        since = "never" if runs.last is None else f"last on {runs.last:%Y-%m-%d}"
        return Finding(
            "billing",
            WARN,
            "not_billed",
            f"{runs.to_rate} summaries wait to be rated, and billing ran {since}",
            "start beat, whose schedule is USAGE_BILLING_SCHEDULE, or run `usage-billing bill`",
        )
    ran = "no run is stuck" if runs.last is None else f"billing ran last on {runs.last:%Y-%m-%d %H:%M} UTC"
    return fine("billing", ran)


def _unbilled(session: Session) -> Finding:
    warnings = standing_warnings(session)
    if not warnings:
        return fine("billed", "the last run could bill every subscription")
    what = [f"{subscription_id} ({detail})" for subscription_id, detail in warnings.items()]
    return Finding(
        "billed",
        WARN,
        "run_warnings",
        f"{len(warnings)} subscriptions cannot be billed: {listed(what)}",
        "put right what it says, and what `usage-billing verify --subscription ID` finds, then `usage-billing bill`;"
        " the log of the process that billed has the whole error",
    )
