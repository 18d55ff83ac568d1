"""Reading subscriptions."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import Cadence
from usage_billing.subscriptions.lifecycle import ANNIVERSARY, Term, Terms, Timeline

_TERMS = text(
    "SELECT s.id, s.timezone, CASE s.anchor WHEN :anniversary THEN s.started_at END AS anchor, t.plan_id, t.starts_at,"
    " t.ends_at, t.paused, p.interval, p.interval_count, p.proration, p.prorates_edges"
    " FROM subscription_terms AS t JOIN subscriptions AS s ON s.id = t.subscription_id"
    " JOIN plans AS p ON p.id = t.plan_id"
    " WHERE t.subscription_id = ANY(CAST(:ids AS text[])) ORDER BY t.subscription_id, t.starts_at"
)


def timelines_of(session: Session, subscription_ids: Collection[str]) -> dict[str, Timeline]:
    """The terms of these subscriptions, in order; those that do not exist are absent."""
    rows = session.execute(_TERMS, {"ids": list(subscription_ids), "anniversary": ANNIVERSARY}).all()
    found: dict[str, Timeline] = {}
    known: dict[tuple[str, datetime | None], Terms] = {}
    for id, zone, anchor, plan_id, starts_at, ends_at, paused, interval, count, proration, prorates_edges in rows:
        terms = known.get((plan_id, anchor))
        if terms is None:
            terms = known[plan_id, anchor] = Terms(
                cadence=Cadence(interval, count, anchor), proration=proration, prorates_edges=prorates_edges
            )
        term = Term(plan_id=plan_id, starts_at=starts_at, ends_at=ends_at, paused=paused, terms=terms)
        timeline = found.get(id)
        found[id] = Timeline(zone, (term,) if timeline is None else (*timeline.terms, term))
    return found
