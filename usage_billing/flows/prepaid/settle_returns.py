"""Posts what comes back to grants in units though no invoice follows: usage was taken back that was covered whole."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.drawing.coverage import allocations
from usage_billing.flows.prepaid.open_occurrences import hold_wallets
from usage_billing.flows.prepaid.post_draws import post_causes
from usage_billing.subscriptions.openings import lock_to_bill

# More is posted than lies beyond. Usage that a draft charges for is posted with that.
_TOO_MUCH = text("""
    SELECT DISTINCT w.customer_id
    FROM wallets AS w
    JOIN wallet_draws AS d ON d.wallet_id = w.id
    JOIN usage_summaries AS s ON s.id = d.summary_id
    WHERE w.currency IS NULL
        AND w.customer_id IN (SELECT customer_id FROM subscriptions WHERE id = ANY(CAST(:ids AS text[])))
    GROUP BY w.customer_id, s.id
    HAVING sum(d.posted) > s.beyond_limit
""")


def settle_returns(session: Session, subscription_ids: Collection[str], *, now: datetime) -> int:
    """Let come back to grants what usage of the customers of these subscriptions wants no more; returns how many.

    Locks, where anything comes back: the subscriptions, the wallets of these customers.
    """
    customers = list(session.scalars(_TOO_MUCH, {"ids": list(subscription_ids)}))
    if not customers:
        return 0
    lock_to_bill(session, subscription_ids)
    found = allocations(session, customers, now=now, wallets=hold_wallets(session, customers, now=now))
    post_causes(session, found, {})
    return len(customers)
