"""A running total as it stood earlier, from the recordings that it had by then."""

from dataclasses import replace
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import EXACT
from usage_billing.metering.digest import hash_of, to_bytes
from usage_billing.metering.split import beyond
from usage_billing.metering.unrated import UnratedSummary

_FETCH = 5_000
_STOOD = text("""
    SELECT u.id, u.quantity
    FROM usage AS u
    LEFT JOIN usage_voids AS v ON v.usage_id = u.id AND v.ordinal <= :voids
    WHERE u.summary_id = :summary
        AND u.ordinal <= :events
        AND v.usage_id IS NULL
    ORDER BY u.ordinal
""")


def as_it_stood(session: Session, summary: UnratedSummary, *, events: int, voids: int) -> UnratedSummary:
    """``summary`` when ``events`` were recorded and ``voids`` taken back, divided at its present allowance.

    Its cost is that of the summary's recordings.
    """
    total, beyond_events, digest = Decimal(0), 0, 0
    asked = {"summary": summary.id, "events": events, "voids": voids}
    for row in session.execute(_STOOD, asked, execution_options={"yield_per": _FETCH}):
        total = EXACT.add(total, row.quantity)
        beyond_events += summary.allowance is not None and total > summary.allowance
        digest += hash_of(row.id, row.quantity)
    return replace(
        summary,
        total=total,
        beyond_limit=beyond(total, summary.allowance),
        events=events,
        beyond_events=beyond_events,
        voids=voids,
        events_hash=to_bytes(digest),
    )
