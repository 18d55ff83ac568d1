"""What the books tell: quotas that are missing, subscriptions that are tied wrongly, billing that does not run."""

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
    SELECT t.plan_id, s.usage_type_id, count(DISTINCT s.subscription_id), sum(s.total)
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
    SELECT a.plan_id, count(*) FROM subscriptions AS a JOIN plans AS p ON p.id = a.plan_id
    WHERE p.base_fee IS NULL AND NOT EXISTS (
        SELECT FROM usage_quotas AS q WHERE q.plan_id = a.plan_id AND coalesce(q.subscription_id, a.id) = a.id
    ) GROUP BY 1 ORDER BY 1
    """
)
_WRONG_CUSTOMERS = text(
    """
    SELECT q.subscription_id, q.customer_id, a.customer_id, count(*) FROM quarantined_usage AS q
    LEFT JOIN subscriptions AS a ON a.id = q.subscription_id
    WHERE q.status = 'open' AND q.reason = 'wrong_customer' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2
    """
)
_UNKNOWN_SUBSCRIPTIONS = text(
    """
    SELECT subscription_id, customer_id, count(*) FROM quarantined_usage
    WHERE status = 'open' AND reason = 'unknown_subscription' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
    """
)
_OTHERS = text(
    """
    SELECT reason, count(*), min(id::text) FROM quarantined_usage
    WHERE status = 'open' AND reason NOT IN ('wrong_customer', 'unknown_subscription') GROUP BY 1 ORDER BY 2 DESC
    """
)
_RUNS = text(
    """
    SELECT count(*) FILTER (WHERE status NOT IN ('completed', 'failed') AND heartbeat_at < :stalled),
        min(id::text) FILTER (WHERE status NOT IN ('completed', 'failed') AND heartbeat_at < :stalled),
        max(finished_at) FILTER (WHERE status = 'completed' AND NOT dry_run AND subscription_id IS NULL),
        (SELECT count(*) FROM usage_summaries WHERE to_rate),
        count(*) FILTER (WHERE status NOT IN ('completed', 'failed') AND error IS NOT NULL),
        min(id::text || ': ' || error) FILTER (WHERE status NOT IN ('completed', 'failed'))
    FROM billing_runs
    """
)


def check_books(session: Session, *, now: datetime) -> Iterator[Finding]:
    """Everything that only the tables know."""
    yield _quotas(session)
    yield from _subscriptions(session)
    yield _quarantine(session)
    yield from _runs(session, now)


def _quotas(session: Session) -> Finding:
    rows = session.execute(_MISSING_QUOTAS).all()
    if not rows:
        return fine("quotas", "every usage type that was used has a quota in its plan")
    what = [f"plan {r[0]} has none for {r[1]} ({plain(r[3])} used by {r[2]} subscriptions)" for r in rows]
    return Finding(
        "quotas",
        WARN,
        "missing_quota",
        f"usage is counted but never charged, for a quota is missing: {listed(what)}",
        f"usage-billing quotas create --plan {rows[0][0]} --usage-type {rows[0][1]} --limit N --unit-price P"
        " (--limit none says that it is free); it is billed by the next run",
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
    what = [f"{r[3]} recordings name {r[1]} for {r[0]}, which is {r[2] or 'nobody'}'s" for r in rows]
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
    what = [f"{r[2]} recordings of {r[1]} name {r[0]}" for r in rows]
    return Finding(
        "subscriptions",
        FAIL,
        "unknown_subscription",
        f"recordings name subscriptions that do not exist: {listed(what)}",
        f"usage-billing subscriptions create {rows[0][0]} --customer {rows[0][1]} --plan PLAN --started DAY, then"
        " usage-billing quarantine replay --all --reason unknown_subscription",
    )


def _bare_plans(session: Session) -> Finding | None:
    rows = session.execute(_BARE_PLANS).all()
    if not rows:
        return None
    what = [f"{r[1]} subscriptions are on plan {r[0]}" for r in rows]
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
    what = [f"{count} {reason}" for reason, count, _ in rows]
    return Finding(
        "quarantine",
        WARN,
        "quarantined",
        f"recordings could not be counted: {listed(what)}",
        f"usage-billing quarantine show {rows[0][2]} says why; put it right, then quarantine replay --all or discard",
    )


def _runs(session: Session, now: datetime) -> Iterator[Finding]:
    stalled, first, last, to_rate, failing, error = session.execute(_RUNS, {"stalled": now - _STALLED}).one()
    if stalled:
        yield Finding(
            "billing",
            FAIL,
            "run_stalled",
            f"{stalled} billing runs are unfinished and nobody works on them, such as {first}",
            "start a worker and beat: they finish it; or `usage-billing bill` does what is due now",
        )
    elif failing:
        yield Finding(
            "billing",
            FAIL,
            "run_failing",
            f"{failing} billing runs fail and are tried again, such as {error}",
            "put right what it says, and the next try, within minutes, completes it; the worker's log has the rest",
        )
    elif to_rate and (last is None or last < now - _BILLED_DAILY):
        since = "never" if last is None else f"last on {last:%Y-%m-%d}"
        yield Finding(
            "billing",
            WARN,
            "not_billed",
            f"{to_rate} summaries wait to be rated, and billing ran {since}",
            "start beat, whose schedule is USAGE_BILLING_SCHEDULE, or run `usage-billing bill`",
        )
    else:
        yield fine("billing", "no run is stuck" if last is None else f"billing ran last on {last:%Y-%m-%d %H:%M} UTC")
