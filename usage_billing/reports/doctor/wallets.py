"""A check of wallets: what is about to expire, grants that are over and not closed, money that no plan charges."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.doctor.finding import WARN, Finding, fine, listed
from usage_billing.wire.kinds import Held

SOON = timedelta(days=7)
"""What expires within this time is named."""

_LATE = timedelta(minutes=10)  # the task that closes grants comes every minute
_MOST = 100
_THERE = text("SELECT EXISTS (SELECT FROM wallet_grants) OR EXISTS (SELECT FROM wallet_top_ups)")
_OVER = text(
    "SELECT count(*) AS grants, min(closes_at) AS first FROM wallet_grants"
    " WHERE status = 'active' AND closes_at < :late"
)
_NO_PLAN = text("""
    SELECT w.id, w.customer_id, w.currency
    FROM wallets AS w
    WHERE w.currency IS NOT NULL AND NOT EXISTS (
        SELECT FROM subscriptions AS s JOIN plans AS p ON p.id = s.plan_id
        WHERE s.customer_id = w.customer_id AND p.currency = w.currency AND coalesce(w.subscription_id, s.id) = s.id)
    AND EXISTS (SELECT FROM wallet_grants AS g WHERE g.wallet_id = w.id AND g.status IN ('pending', 'active')
            AND g.amount > g.posted + g.expired + g.taken_back + g.refunded)
    ORDER BY w.id
    LIMIT 100
""")
_ANSWER_SOON = timedelta(hours=1)
_UNANSWERED = text("""
    SELECT t.amount, w.unit_name, w.currency, w.customer_id, t.wallet_id
    FROM wallet_top_ups AS t JOIN wallets AS w ON w.id = t.wallet_id
    WHERE t.state = 'asked' AND t.asked_at < :late AND t.expires_at > :now
    ORDER BY t.asked_at
    LIMIT 100
""")
_EXPIRING = text("""
    SELECT w.customer_id
    FROM wallet_grants AS g
    JOIN wallets AS w ON w.id = g.wallet_id
    WHERE g.status = 'active' AND g.expires_at > :now AND g.expires_at <= :soon AND g.reset_at IS NULL
    GROUP BY w.customer_id
    ORDER BY min(g.expires_at), w.customer_id
    LIMIT :most
""")


def check_wallets(session: Session, *, now: datetime) -> Iterator[Finding]:
    """What is to be known of wallets; nothing is said where none was ever granted or asked for."""
    if not session.execute(_THERE).scalar_one():
        return
    over = session.execute(_OVER, {"late": now - _LATE}).one()
    if over.grants:
        yield Finding(
            "wallets",
            WARN,
            "grants_not_closed",
            f"grants are over and not closed: {over.grants}, the first since {over.first:%Y-%m-%dT%H:%MZ}; what they"
            " paid for is not posted, and what is left of them is not booked as breakage",
            "start a worker that serves the queue billing, and beat; grants are closed within a minute then",
        )
        return
    if lonely := [f"{row.id} of {row.customer_id} in {row.currency}" for row in session.execute(_NO_PLAN)]:
        yield Finding(
            "wallets",
            WARN,
            "wallets_without_plan",
            f"wallets hold money in a currency in which no plan of their customer charges: {listed(lonely)}",
            "agree a plan in that currency, or refund or void their grants; until then they pay for nothing",
        )
    unanswered = session.execute(_UNANSWERED, {"now": now, "late": now - _ANSWER_SOON}).all()
    if unanswered:
        what = [f"{_amount(row.amount, row)} of {row.customer_id} in {row.wallet_id}" for row in unanswered]
        yield Finding(
            "wallets",
            WARN,
            "top_ups_unanswered",
            f"top-ups that nothing has answered for an hour: {listed(what)}",
            "see that what takes payments gets the event wallet.top_up_requested, and answers: paid or failed",
        )
    what = list(_expiring(session, now))
    yield fine("wallets", f"expiring within {SOON.days} days: {listed(what)}" if what else "no grant expires soon")


def _expiring(session: Session, now: datetime) -> Iterator[str]:
    """The grants of which something expires soon, the first to expire first."""
    # Late: a worker that starts looks at its inbox by this room, and needs no wallets for it.
    from usage_billing.reports.wallets import wallets_in_hand

    asked = {"now": now, "soon": now + SOON, "most": _MOST}
    found: list[tuple[datetime, str]] = []
    for customer_id in session.scalars(_EXPIRING, asked).all():
        for view in wallets_in_hand(session, customer_id, now=now):
            for one in view.grants:
                at = one.grant.ends_at
                if at is not None and now < at <= now + SOON and one.grant.counts and one.left > 0:
                    left = f"{_amount(one.left, view.unit)} of {customer_id} in {view.wallet.id}"
                    found.append((at, f"{left} on {at:%Y-%m-%dT%H:%MZ}"))
    yield from (words for _, words in sorted(found))


def _amount(amount: Decimal, unit: Any) -> str:
    """An amount, and of what: ``5 calls``, ``9.00 EUR``."""
    return f"{Held().show(amount, unit.currency or '')} {unit.unit_name or unit.currency}"
