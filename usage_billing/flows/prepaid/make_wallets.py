"""Makes the wallets that what allowances leave is put into, where a customer has none for a usage type.

They are made while the first period runs that a quota carries over from, so no balance waits for this.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.identifiers import new_id
from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
from usage_billing.wallets.service import lock_wallets

ACTOR = "rollover"
_LACKING = """
    SELECT {what}
    FROM (
        SELECT q.usage_type_id, t.subscription_id
        FROM usage_quotas AS q
        JOIN subscription_terms AS t ON t.plan_id = q.plan_id AND NOT t.paused
            AND (t.ends_at IS NULL OR t.ends_at > q.asked_at)
        WHERE q.rollover_periods IS NOT NULL AND q.subscription_id IS NULL
        UNION
        SELECT usage_type_id, subscription_id
        FROM usage_quotas
        WHERE rollover_periods IS NOT NULL AND subscription_id IS NOT NULL
    ) AS r
    JOIN subscriptions AS a ON a.id = r.subscription_id
    JOIN usage_types AS u ON u.id = r.usage_type_id
    WHERE (a.ended_at IS NULL OR a.ended_at > :now) AND NOT EXISTS (
        SELECT
        FROM wallet_scopes AS w
        WHERE w.customer_id = a.customer_id AND w.usage_type_id = r.usage_type_id
            AND w.subscription_id IN ('', a.id)
    ) {more}
"""
_CUSTOMERS = text(_LACKING.format(what="DISTINCT a.customer_id", more="ORDER BY 1 LIMIT :most"))
_TYPES = text(_LACKING.format(what="DISTINCT u.unit_name, u.id", more="AND a.customer_id = :customer ORDER BY 1, 2"))


def customers_without(session: Session, *, now: datetime, most: int = 1000) -> Sequence[str]:
    """Customers of whom a quota carries something over that no wallet of theirs is for, by id."""
    return session.scalars(_CUSTOMERS, {"now": now, "most": most}).all()


def make_wallets(session: Session, customer_id: str, *, now: datetime) -> int:
    """Make the wallets that a customer lacks, one for each unit; returns how many."""
    lock_wallets(session, [customer_id])
    missing: dict[str, list[str]] = {}
    for row in session.execute(_TYPES, {"now": now, "customer": customer_id}):
        missing.setdefault(row.unit_name, []).append(row.id)
    for unit_name, usage_types in missing.items():
        new = NewWallet(id=str(new_id()), customer_id=customer_id, unit_name=unit_name, usage_types=usage_types)
        create_wallet(session, new, actor=ACTOR, now=now)
    return len(missing)
