"""Checks of the books: missing quotas, subscriptions tied to the wrong customer, billing that does not run."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import plain
from usage_billing.metering.states import QuarantineReason
from usage_billing.reports.doctor.alerts import check_alerts
from usage_billing.reports.doctor.documents import check_documents
from usage_billing.reports.doctor.finding import WARN, Finding, fine, listed
from usage_billing.reports.doctor.meters import check_meters
from usage_billing.reports.doctor.runs import check_runs
from usage_billing.reports.doctor.taxes import check_taxes
from usage_billing.reports.doctor.wallets import check_wallets
from usage_billing.reports.doctor.webhooks import check_webhooks

_MISSING_QUOTAS = text(
    """
    SELECT t.plan_id, s.usage_type_id, count(DISTINCT s.subscription_id) AS subscriptions, sum(s.total) AS used
    FROM usage_summaries AS s JOIN subscription_terms AS t ON t.subscription_id = s.subscription_id
        AND t.starts_at <= s.period_start AND (t.ends_at IS NULL OR s.period_start < t.ends_at)
    WHERE s.quota_id IS NULL AND s.total > 0
        AND NOT EXISTS (SELECT FROM usage_types AS y WHERE y.of = s.usage_type_id)
        AND EXISTS (SELECT FROM usage_types AS y WHERE y.id = s.usage_type_id AND y.of IS NULL)
        AND NOT EXISTS (
        SELECT FROM usage_quotas AS q WHERE q.plan_id = t.plan_id AND q.usage_type_id = s.usage_type_id
            AND coalesce(q.subscription_id, s.subscription_id) = s.subscription_id
    ) GROUP BY 1, 2 ORDER BY 1, 2
    """
)
_UNPRICED = text(
    """
    SELECT count(*) AS periods, coalesce(sum(s.events - s.voids), 0) AS recordings,
        min(t.plan_id || ' ' || s.usage_type_id) AS first
    FROM usage_summaries AS s JOIN subscription_terms AS t ON t.subscription_id = s.subscription_id
        AND t.starts_at <= s.period_start AND (t.ends_at IS NULL OR s.period_start < t.ends_at)
    WHERE s.quota_id IS NULL AND s.total > 0 AND NOT s.to_rate AND s.bills_at < :now AND EXISTS (
        SELECT FROM usage_quotas AS q WHERE q.plan_id = t.plan_id AND q.usage_type_id = s.usage_type_id
            AND q.subscription_id IS NULL
    )
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
    SELECT subscription_id, customer_id, count(*) AS recordings FROM quarantined_usage AS q
    WHERE status = 'open' AND reason = 'unknown_subscription'
        AND NOT EXISTS (SELECT FROM subscriptions AS a WHERE a.id = q.subscription_id)
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
    """
)
_OTHERS = text(
    """
    SELECT reason, count(*) AS recordings, min(id::text) AS first FROM quarantined_usage AS q
    WHERE status = 'open' AND reason NOT IN ('wrong_customer', 'unknown_subscription')
        AND NOT (reason = 'unknown_usage_type'
            AND EXISTS (SELECT FROM usage_types AS t WHERE t.id = q.payload ->> 'usage_type' AND t.of IS NULL))
    GROUP BY 1 ORDER BY 2 DESC
    """
)
_EXISTING = text(
    """
    SELECT reason, coalesce(t.id, a.id) AS name, count(*) AS recordings FROM quarantined_usage AS q
    LEFT JOIN subscriptions AS a ON q.reason = 'unknown_subscription' AND a.id = q.subscription_id
    LEFT JOIN usage_types AS t ON q.reason = 'unknown_usage_type' AND t.id = q.payload ->> 'usage_type' AND t.of IS NULL
    WHERE q.status = 'open' AND coalesce(t.id, a.id) IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
    """
)


def check_books(session: Session, *, now: datetime) -> Iterator[Finding]:
    """All checks that read the tables of usage, subscriptions and billing."""
    yield _quotas(session, now=now)
    yield from _subscriptions(session)
    yield _quarantine(session)
    yield from _replayable(session)
    yield from check_meters(session)
    yield from check_taxes(session, now=now)
    yield from check_wallets(session, now=now)
    yield from check_documents(session)
    yield from check_webhooks(session)
    yield from check_alerts(session)
    yield from check_runs(session, now=now)


def _quotas(session: Session, *, now: datetime) -> Finding:
    rows = session.execute(_MISSING_QUOTAS).all()
    if not rows:
        every = "every usage type that was used has a quota in its plan"
        before = session.execute(_UNPRICED, {"now": now}).one()
        if before.periods:
            every += (
                f"; {before.recordings} recordings of periods before a first quota stay without a price (plan and type:"
                f" {before.first}), unless a version is made with --effective start"
            )
        return fine("quotas", every)
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
        " --unit-price P (--limit none says that it is free); what the running period used is billed, and with"
        " --effective start what earlier ones used as well",
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
        WARN,
        "wrong_customer",
        f"a subscription is tied to another customer than its recordings say: {listed(what)}",
        "correct the sender's userId or subscriptionId and discard these, or create the subscription it means and"
        f" record again: usage-billing quarantine list --reason {QuarantineReason.WRONG_CUSTOMER}",
    )


def _unknown_subscriptions(session: Session) -> Finding | None:
    rows = session.execute(_UNKNOWN_SUBSCRIPTIONS).all()
    if not rows:
        return None
    what = [
        f"{row.recordings} recordings"
        + (f" of {row.customer_id}" if row.customer_id else "")
        + f" name {row.subscription_id}"
        for row in rows
    ]
    named, customer = rows[0].subscription_id, rows[0].customer_id
    # Other programs' events name a subscription or a customer, and nothing says which.
    made = (
        f"subscriptions create {named} --customer {customer} --plan PLAN --started DAY"
        if customer
        else (f"customers create {named} --name NAME, or a subscription of that id")
    )
    return Finding(
        "subscriptions",
        WARN,
        "unknown_subscription",
        f"recordings name subscriptions that do not exist: {listed(what)}",
        f"usage-billing {made}, then usage-billing quarantine replay --all"
        f" --reason {QuarantineReason.UNKNOWN_SUBSCRIPTION}",
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


def _replayable(session: Session) -> Iterator[Finding]:
    rows = session.execute(_EXISTING).all()
    if rows:
        what = [f"{row.recordings} that name {row.name} ({row.reason})" for row in rows]
        yield Finding(
            "quarantine",
            WARN,
            "replayable",
            f"recordings are in quarantine for want of what exists by now: {listed(what)}",
            f"usage-billing quarantine replay --all --reason {rows[0].reason}",
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
