"""Subscriptions as billing sees them: it locks them, and notes until when it has looked at their periods."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows

_THESE = """
    SELECT id, customer_id, plan_id, opens_at
    FROM subscriptions
    WHERE id = ANY(CAST(:ids AS text[]))
    ORDER BY id
"""
_READ = text(_THESE)
_LOCK = text(f"{_THESE} FOR NO KEY UPDATE")
_LOCK_FREE = text(f"{_THESE} FOR NO KEY UPDATE SKIP LOCKED")
_SAVE = text("""
    UPDATE subscriptions AS s
    SET opens_at = v.opens_at
    FROM unnest(CAST(:ids AS text[]), CAST(:openings AS timestamptz[])) AS v (id, opens_at)
    WHERE s.id = v.id
""")

_ON_PLAN = """
    CASE WHEN CAST(:own AS text) IS NULL
        THEN EXISTS (SELECT FROM subscription_terms AS t WHERE t.subscription_id = s.id AND t.plan_id = :plan)
        ELSE s.id = :own END
"""
_LOCK_ON_PLAN = text(f"SELECT id FROM subscriptions AS s WHERE {_ON_PLAN} ORDER BY id FOR NO KEY UPDATE")  # noqa: S608
# From the beginning of the longest period that can run then.
_OPEN_AGAIN = text(f"""
    UPDATE subscriptions AS s
    SET opens_at = least(opens_at, greatest(started_at, CAST(:since AS timestamptz) - p.longest))
    FROM (
        SELECT max(q.interval_count * CASE q.interval
            WHEN 'day' THEN interval '25 hours' WHEN 'week' THEN interval '8 days' WHEN 'month' THEN interval '31 days'
            WHEN 'quarter' THEN interval '92 days' ELSE interval '366 days' END) AS longest
        FROM plans AS q
        WHERE q.id = :plan
    ) AS p
    WHERE {_ON_PLAN}
""")  # noqa: S608


@dataclass(slots=True)
class BilledSubscription:
    """A subscription. ``opens_at`` is from when on billing has not looked for base fees and minimums."""

    id: str
    customer_id: str
    plan_id: str
    opens_at: datetime | None


def lock_free(session: Session, ids: Collection[str]) -> set[str]:
    """Lock those of these subscriptions that no other transaction has locked, and return their ids; nothing waits."""
    return {row.id for row in session.execute(_LOCK_FREE, {"ids": list(ids)})}


def lock_to_bill(session: Session, ids: Collection[str]) -> dict[str, BilledSubscription]:
    """Lock these subscriptions against other billing, ordered by id, and return them by id. Recording goes on."""
    session.flush()
    return {one.id: one for one in read_rows(session.execute(_LOCK, {"ids": list(ids)}), BilledSubscription)}


def read_to_bill(session: Session, ids: Collection[str]) -> dict[str, BilledSubscription]:
    """These subscriptions by id, without a lock."""
    return {one.id: one for one in read_rows(session.execute(_READ, {"ids": list(ids)}), BilledSubscription)}


def save_openings(session: Session, changed: Sequence[BilledSubscription]) -> None:
    """Store the ``opens_at`` of these subscriptions."""
    if changed:
        session.execute(_SAVE, {"ids": [one.id for one in changed], "openings": [one.opens_at for one in changed]})


def lock_to_open(session: Session, *, plan_id: str) -> None:
    """Lock every subscription that is or was on a plan, as billing does, before the plan is locked."""
    session.execute(_LOCK_ON_PLAN, {"plan": plan_id, "own": None})


def open_again(session: Session, *, plan_id: str, subscription_id: str | None, since: datetime) -> None:
    """Let billing look at their periods from the one around ``since`` on: fees and minimums are due without any use.

    Of every subscription that is or was on the plan, or of one.
    """
    session.execute(_OPEN_AGAIN, {"plan": plan_id, "own": subscription_id, "since": since})
