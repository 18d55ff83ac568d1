"""Closed and void grants: what they come to by wallet, and where they divide usage, without reading each of them."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from usage_billing.wallets.models import PastGrants

_CUTS = text("""
    SELECT g.wallet_id, c.cut
    FROM wallet_grants AS g
    CROSS JOIN unnest(ARRAY[g.effective_at, least(g.expires_at, g.reset_at), g.covers_since]) AS c (cut)
    WHERE g.wallet_id = ANY(CAST(:wallets AS text[])) AND g.status IN ('closed', 'void') AND g.activated_at IS NOT NULL
        AND coalesce(g.closes_at, 'infinity'::timestamptz) > :since AND c.cut > :since
    GROUP BY 1, 2
""")


SUMS = ("granted", "posted", "expired", "taken_back", "refunded", "rolled_over")
"""What of grants is summed up."""


def past_grants_of(session: Session, wallet_ids: Collection[str]) -> dict[str, PastGrants]:
    """What the closed and void grants of each of these wallets come to, by id; a wallet without any has none."""
    statement = select(PastGrants).where(PastGrants.wallet_id.in_(wallet_ids))
    found = session.scalars(statement, execution_options={"populate_existing": True})
    return {one.wallet_id: one for one in found}


def past_cuts(session: Session, wallet_ids: Collection[str], *, since: datetime) -> dict[str, list[datetime]]:
    """When closed and void grants of these wallets began, ended or reach back to, after ``since``, by wallet."""
    found: dict[str, list[datetime]] = {}
    for row in session.execute(_CUTS, {"wallets": list(wallet_ids), "since": since}):
        found.setdefault(row.wallet_id, []).append(row.cut)
    return found
