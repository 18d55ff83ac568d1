"""How terms are read: a row for each, with what its subscription and its plan say about time."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from usage_billing.core.periods import Cadence
from usage_billing.subscriptions.lifecycle import Term, Terms, Timeline

COLUMNS = """
    s.id, s.customer_id, s.timezone, s.created_at AS made_at,
    CASE s.anchor WHEN :anniversary THEN s.started_at END AS anchor, coalesce(s.anchor_day, 1) AS day,
    t.plan_id, t.starts_at, t.ends_at, t.paused, p.interval, p.interval_count,
    p.proration, p.prorates_edges, p.on_downgrade = 'charge' AS claws_back
"""
TABLES = """
    FROM subscription_terms AS t
    JOIN subscriptions AS s ON s.id = t.subscription_id
    JOIN plans AS p ON p.id = t.plan_id
"""
# The ids are an array even when there is one. For an array the planner cannot choose the index over time ranges, which
# is ten times slower here.
THESE = """
    WHERE t.subscription_id = ANY(%s)
    ORDER BY t.subscription_id, t.starts_at
"""
SEEN = f"""
    (
        SELECT string_agg(concat_ws(' ', t.xmin, s.xmin, p.xmin), ',' ORDER BY t.subscription_id, t.starts_at)
        {TABLES} WHERE t.subscription_id = ANY(%s)
    )
"""
"""A column for another statement: a text that is another as soon as any of these rows is.

A row that is changed, or new, has the number of the transaction that wrote it.
"""


class TermRow(msgspec.Struct, gc=False):
    """A term as it is read, with what its subscription and its plan say."""

    id: str
    customer_id: str
    timezone: str
    made_at: datetime
    anchor: datetime | None
    day: int
    plan_id: str
    starts_at: datetime
    ends_at: datetime | None
    paused: bool
    interval: str
    interval_count: int
    proration: str
    prorates_edges: bool
    claws_back: bool


class ContractRow(TermRow, gc=False):
    """A term, and the currency of its plan."""

    currency: str


SharedTerms = dict[tuple[str, datetime | None, int], Terms]
"""What plans say about time, each once: by the plan, the anchor and the day of the month."""


def timelines_from(rows: Iterable[TermRow], *, shared: SharedTerms | None = None) -> dict[str, Timeline]:
    """The timelines of which ``rows`` are the terms, those of a subscription in order; by subscription id.

    With ``shared``, timelines of several calls have their terms in common.
    """
    found: dict[str, Timeline] = {}
    known: SharedTerms = {} if shared is None else shared
    for row in rows:
        terms = known.get((row.plan_id, row.anchor, row.day))
        if terms is None:
            terms = known[row.plan_id, row.anchor, row.day] = Terms(
                cadence=Cadence(row.interval, row.interval_count, row.anchor, row.day),
                proration=row.proration,
                prorates_edges=row.prorates_edges,
                claws_back=row.claws_back,
            )
        term = Term(plan_id=row.plan_id, starts_at=row.starts_at, ends_at=row.ends_at, paused=row.paused, terms=terms)
        timeline = found.get(row.id)
        terms_so_far = (term,) if timeline is None else (*timeline.terms, term)
        found[row.id] = Timeline(row.timezone, terms_so_far, row.made_at)
    return found
