"""Subscriptions as billing sees them: it locks them, and notes until when it has looked at their periods."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_LOCK = text("""
    SELECT id, customer_id, plan_id, opens_at
    FROM subscriptions
    WHERE id = ANY(CAST(:ids AS text[]))
    ORDER BY id
    FOR NO KEY UPDATE
""")
_SAVE = text("""
    UPDATE subscriptions AS s
    SET opens_at = v.opens_at
    FROM unnest(CAST(:ids AS text[]), CAST(:openings AS timestamptz[])) AS v (id, opens_at)
    WHERE s.id = v.id
""")


@dataclass(slots=True)
class BilledSubscription:
    """A locked subscription. ``opens_at`` is from when on billing has not looked for base fees and minimums."""

    id: str
    customer_id: str
    plan_id: str
    opens_at: datetime | None


def lock_to_bill(session: Session, ids: Collection[str]) -> dict[str, BilledSubscription]:
    """Lock these subscriptions against other billing, ordered by id, and return them by id. Recording goes on."""
    session.flush()
    return {row[0]: BilledSubscription(*row) for row in session.execute(_LOCK, {"ids": list(ids)}).all()}


def save_openings(session: Session, changed: Sequence[BilledSubscription]) -> None:
    """Store the ``opens_at`` of these subscriptions."""
    if changed:
        session.execute(_SAVE, {"ids": [one.id for one in changed], "openings": [one.opens_at for one in changed]})
