"""Checks of the books: missing quotas, subscriptions tied to the wrong customer, billing that does not run."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import plain
from usage_billing.reports.doctor.finding import FAIL, WARN, Finding, fine, listed

_STALLED = timedelta(minutes=15)
_BILLED_DAILY = timedelta(days=2)

_MISSING_QUOTAS = text(
    """
    SELECT t.plan_id, s.usage_type_id, count(DISTINCT s.subscription_id) AS subscriptions, sum(s.total) AS used
    FROM usage_summaries AS s JOIN subscription_terms AS t ON t.subscription_id = s.subscription_id
        AND t.starts_at <= s.period_start AND (t.ends_at IS NULL OR s.period_start < t.ends_at)
    WHERE s.quota_id IS NULL AND s.total > 0 AND NOT EXISTS (
        SELECT FROM usage_quotas AS q WHERE q.plan_id = t.plan_id AND q.usage_type_id = s.usage_type_id
            AND coalesce(q.subscription_id, s.subscription_id) = s.subscription_id
            AND q.effective_from < s.period_end
    ) GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_BARE_PLANS = text(
    """
    SELECT a.plan_id, count(*) AS subscriptions FROM subscriptions AS a JOIN plans AS p ON p.id = a.plan_id
    WHERE p.base_fee IS NULL AND NOT EXISTS (
        SELECT FROM usage_quotas AS q WHERE q.plan_id = a.plan_id AND coalesce(q.subscription_id, a.id) = a.id
    ) GROUP BY 1 ORDER BY 1
    """
)
_WRONG_CUSTOMERS = text(
    """
    SELECT q.subscription_id, q.customer_id, a.customer_id AS owner, count(*) AS recordings FROM quarantined_usage AS q
    LEFT JOIN subscriptions AS a ON a.id = q.subscription_id
    WHERE q.status = 'open' AND q.reason = 'wrong_customer' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2
    """
)
_UNKNOWN_SUBSCRIPTIONS = text(
    """
    SELECT subscription_id, customer_id, count(*) AS recordings FROM quarantined_usage
    WHERE status = 'open' AND reason = 'unknown_subscription' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
    """
)
_OTHERS = text(
    """
    SELECT reason, count(*) AS recordings, min(id::text) AS first FROM quarantined_usage
    WHERE status = 'open' AND reason NOT IN ('wrong_customer', 'unknown_subscription') GROUP BY 1 ORDER BY 2 DESC
    """
)
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


def check_books(session: Session, *, now: datetime) -> Iterator[Finding]:
    """All checks that read the tables of usage, subscriptions and billing."""
    yield _quotas(session)
    yield from _subscriptions(session)
    yield _quarantine(session)
    yield from _runs(session, now)


def _quotas(session: Session) -> Finding:
    rows = session.execute(_MISSING_QUOTAS).all()
    if not rows:
        return fine("quotas", "every usage type that was used has a quota in its plan")
    what = [
        f"plan {row.plan_id} has none for {row.usage_type_id}"
        f" ({plain(row.used)} used by {row.subscriptions} subscriptions)"
        for row in rows
    ]
    return Finding(
        "quotas",
        WARN,
        "missing_quota",
        f"usage is counted but never charged, for a quota is missing: {listed(what)}",
        f"usage-billing quotas create --plan {rows[0].plan_id} --usage-type {rows[0].usage_type_id} --limit N"
        " --unit-price P (--limit none says that it is free); it is billed by the next run",
    )


def _subscriptions(session: Session) -> Iterator[Finding]:
    before = None
    for finding in (_wrong_customers(session), _unknown_subscriptions(session), _bare_plans(session)):
        if finding is not None:
            yield finding
        before = before or finding
    if before is None:
        yield fine("subscriptions", "recordings name subscriptions of their own customers, on plans with quotas")


def _wrong_customers(session: Session) -> Finding | None:
    rows = session.execute(_WRONG_CUSTOMERS).all()
    if not rows:
        return None
    what = [
        f"{row.recordings} recordings name {row.customer_id} for {row.subscription_id},"
        + (f" which is {row.owner}'s" if row.owner else " which no customer has")
        for row in rows
    ]
    return Finding(
        "subscriptions",
        FAIL,
        "wrong_customer",
        f"a subscription is tied to another customer than its recordings say: {listed(what)}",
        "correct the sender's userId or subscriptionId and discard these, or create the subscription it means and"
        " record again: usage-billing quarantine list --reason wrong_customer",
    )


def _unknown_subscriptions(session: Session) -> Finding | None:
    rows = session.execute(_UNKNOWN_SUBSCRIPTIONS).all()
    if not rows:
        return None
    what = [f"{row.recordings} recordings of {row.customer_id} name {row.subscription_id}" for row in rows]
    return Finding(
        "subscriptions",
        FAIL,
        "unknown_subscription",
        f"recordings name subscriptions that do not exist: {listed(what)}",
        f"usage-billing subscriptions create {rows[0].subscription_id} --customer {rows[0].customer_id}"
        " --plan PLAN --started DAY, then usage-billing quarantine replay --all --reason unknown_subscription",
    )


def _bare_plans(session: Session) -> Finding | None:
    rows = session.execute(_BARE_PLANS).all()
    if not rows:
        return None
    what = [f"{row.subscriptions} subscriptions are on plan {row.plan_id}" for row in rows]
    return Finding(
        "subscriptions",
        WARN,
        "plan_without_quotas",
        f"a plan charges nothing at all, for it has neither quota nor base fee: {listed(what)}",
        "put the subscriptions on the plan that was meant, or define its quotas: usage-billing quotas create --help",
    )


def _quarantine(session: Session) -> Finding:
    rows = session.execute(_OTHERS).all()
    if not rows:
        return fine("quarantine", "nothing else is in quarantine")
    what = [f"{row.recordings} {row.reason}" for row in rows]
    return Finding(
        "quarantine",
        WARN,
        "quarantined",
        f"recordings could not be counted: {listed(what)}",
        f"usage-billing quarantine show {rows[0].first} says why; put it right, then quarantine replay --all or"
        " discard",
    )


def _runs(session: Session, now: datetime) -> Iterator[Finding]:
    runs = session.execute(_RUNS, {"stalled": now - _STALLED}).one()
    if runs.stalled:
        yield Finding(
            "billing",
            FAIL,
            "run_stalled",
            f"{runs.stalled} billing runs are unfinished and no worker works on them, such as {runs.first}",
            "start a worker and beat: they finish it; or `usage-billing bill` does what is due now",
        )
    elif runs.failing:
        yield Finding(
            "billing",
            FAIL,
            "run_failing",
            f"{runs.failing} billing runs fail and are tried again, such as {runs.error}",
            "put right what it says, and the next try, within minutes, completes it; the worker's log has the rest",
        )
    elif runs.to_rate and (runs.last is None or runs.last < now - _BILLED_DAILY):
        since = "never" if runs.last is None else f"last on {runs.last:%Y-%m-%d}"
        yield Finding(
            "billing",
            WARN,
            "not_billed",
            f"{runs.to_rate} summaries wait to be rated, and billing ran {since}",
            "start beat, whose schedule is USAGE_BILLING_SCHEDULE, or run `usage-billing bill`",
        )
    else:
        ran = "no run is stuck" if runs.last is None else f"billing ran last on {runs.last:%Y-%m-%d %H:%M} UTC"
        yield fine("billing", ran)
