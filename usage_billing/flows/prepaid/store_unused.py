"""Stores what allowances left, wallet by wallet, once a period has ended. Readers count it before that."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.flows.prepaid.open_wallet import open_wallet
from usage_billing.wallets.rolling import rolling_of

LOOK_AGAIN = timedelta(hours=6)
"""After so long a wallet is looked at again, unless a period ends sooner: terms may have changed in between."""

_WALLETS = text("""
    SELECT w.id
    FROM wallets AS w
    WHERE w.currency IS NULL AND (w.unused_at IS NULL OR w.unused_at <= :now) AND EXISTS (
        SELECT
        FROM wallet_scopes AS t
        JOIN usage_quotas AS q ON q.usage_type_id = t.usage_type_id
        WHERE t.wallet_id = w.id AND q.rollover_periods IS NOT NULL
    )
    ORDER BY w.id
    LIMIT :most
""")


def wallets_to_look_at(session: Session, *, now: datetime, most: int = 1000) -> Sequence[str]:
    """The wallets of which a period may have ended that a quota carries over from, by id."""
    return session.scalars(_WALLETS, {"now": now, "most": most}).all()


def store_unused(session: Session, wallet_id: str, *, now: datetime) -> None:
    """Store what allowances left by ``now`` for a wallet, and note when the next period ends."""
    wallet = open_wallet(session, wallet_id, now=now)
    rolling = rolling_of(session, [wallet.customer_id])
    following = None if rolling is None else rolling.next_end(now)
    wallet.unused_at = now + LOOK_AGAIN if following is None else min(following, now + LOOK_AGAIN)
