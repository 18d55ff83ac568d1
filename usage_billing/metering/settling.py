"""The running totals as billing sees them: it locks those it has not rated yet, and marks them as rated."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from usage_billing.core.giving_way import in_turns
from usage_billing.db.rows import read_rows, reader
from usage_billing.metering.unrated import UnratedSummary

_WHAT = """
    SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start, s.period_end, s.bills_at, s.quota_id, s.allowance,
        s.total, s.beyond_limit, s.events, s.beyond_events, s.voids, s.events_hash, s.boundary, s.frozen,
        s.to_rate
    FROM usage_summaries AS s
"""
_COLUMNS = f"""
    {_WHAT}
    WHERE subscription_id = ANY(CAST(:subscriptions AS text[])) AND period_start <= :as_of
"""
_IN_ORDER = """
    ORDER BY subscription_id, usage_type_id, period_start
    FOR UPDATE
"""
_MARKS, _MARKS_OR = "{0}to_rate", "({0}to_rate OR {0}id = ANY(CAST(:also AS bigint[])))"


def _locking(marks: str) -> tuple[TextClause, TextClause]:
    """What locks the summaries to rate, and what locks them with their neighbours."""
    return (
        text(f"{_COLUMNS} AND {marks.format('')} {_IN_ORDER}"),
        # Segments of one billing period are invoiced at one moment: from the beginning of each to that moment they
        # overlap.
        text(f"""
            {_COLUMNS}
                AND ({marks.format("")} OR (
                    subscription_id = ANY(CAST(:cut AS text[]))
                    AND EXISTS (
                        SELECT FROM usage_summaries AS o
                        WHERE {marks.format("o.")} AND o.subscription_id = s.subscription_id
                            AND o.usage_type_id = s.usage_type_id
                            AND o.period_start < s.bills_at AND s.period_start < o.bills_at
                    )
                ))
            {_IN_ORDER}
        """),
    )


_LOCK, _LOCK_WITH_NEIGHBOURS = _locking(_MARKS)
_LOCK_ALSO, _LOCK_ALSO_WITH_NEIGHBOURS = _locking(_MARKS_OR)
# What billing would lock if all that ends after an instant were to be rated, with what may be its neighbours.
_READ = text(f"""
    {_WHAT}
    JOIN unnest(CAST(:subscriptions AS text[]), CAST(:since AS timestamptz[])) AS v (subscription_id, since)
        USING (subscription_id)
    WHERE s.to_rate OR s.period_end > v.since OR EXISTS (
        SELECT FROM usage_summaries AS o
        WHERE (o.to_rate OR o.period_end > v.since)
            AND o.subscription_id = s.subscription_id AND o.usage_type_id = s.usage_type_id
            AND o.period_start < s.bills_at AND s.period_start < o.bills_at
    )
    ORDER BY s.subscription_id, s.usage_type_id, s.period_start
""")
_SETTLE = text("""
    UPDATE usage_summaries AS s
    SET to_rate = false, period_end = v.period_end, bills_at = v.bills_at, quota_id = v.quota_id,
        allowance = v.allowance, beyond_limit = v.beyond_limit, beyond_events = v.beyond_events,
        boundary = v.boundary
    FROM unnest(CAST(:ids AS bigint[]), CAST(:ends AS timestamptz[]), CAST(:bills AS timestamptz[]),
        CAST(:quotas AS bigint[]), CAST(:allowances AS numeric[]), CAST(:beyonds AS numeric[]),
        CAST(:beyond_events AS bigint[]), CAST(:boundaries AS bigint[]))
        AS v (id, period_end, bills_at, quota_id, allowance, beyond_limit, beyond_events, boundary)
    WHERE s.id = v.id
""")
_SETTLE_AS_IS = text("UPDATE usage_summaries SET to_rate = false WHERE id = ANY(CAST(:ids AS bigint[]))")
# Locked in the order of all writers.
_REOPEN = text("""
    UPDATE usage_summaries AS s SET to_rate = true FROM (
        SELECT id FROM usage_summaries WHERE id = ANY(CAST(:ids AS bigint[]))
        ORDER BY subscription_id, usage_type_id, period_start FOR UPDATE
    ) AS wanted WHERE s.id = wanted.id
""")
_USED_TYPES = text("SELECT DISTINCT usage_type_id FROM usage_summaries WHERE subscription_id = :subscription")
_AT = text("""
    SELECT period_start, id
    FROM usage_summaries
    WHERE subscription_id = :subscription AND usage_type_id = :type
        AND period_start IN (CAST(:since AS timestamptz), CAST(:to AS timestamptz))
    ORDER BY period_start
    FOR UPDATE
""")
_MOVE = text("""
    UPDATE usage_summaries
    SET period_start = v.begins, to_rate = true,
        period_end = greatest(period_end, v.begins + interval '1 microsecond'),
        bills_at = greatest(bills_at, v.begins + interval '1 microsecond')
    FROM (SELECT CAST(:to AS timestamptz) AS begins) AS v
    WHERE id = :id
""")
# So are these: a quota's next version takes several of one subscription too, and holds no lock of its shard.
_REOPEN_FROM = text("""
    UPDATE usage_summaries AS s SET to_rate = true FROM (
        SELECT id FROM usage_summaries WHERE subscription_id = :subscription AND bills_at > :since
        ORDER BY subscription_id, usage_type_id, period_start FOR UPDATE
    ) AS wanted WHERE s.id = wanted.id
""")

# Locked in that order too, with those that are marked already: billing may be clearing the mark at this moment, by the
# older version.
_REOPEN_FOR_QUOTA = text(
    """
    UPDATE usage_summaries AS s SET to_rate = true FROM (
        SELECT s.id FROM usage_summaries AS s WHERE s.usage_type_id = :type
            AND CASE WHEN :comes THEN s.period_start >= :since ELSE s.bills_at > :since END
            AND EXISTS (
                SELECT FROM subscription_terms AS t WHERE t.subscription_id = s.subscription_id AND t.plan_id = :plan
            )
        ORDER BY s.subscription_id, s.usage_type_id, s.period_start FOR UPDATE OF s
    ) AS affected WHERE s.id = affected.id
    """
)


def lock_unrated(
    session: Session,
    subscription_ids: Collection[str],
    *,
    as_of: datetime,
    cut: Collection[str] = (),
    also: Collection[int] = (),
) -> list[UnratedSummary]:
    """Lock what is to be rated, in the order that recordings lock in too; the summaries ``also`` are so as well.

    Of the subscriptions of ``cut``, whose periods may be cut, the other segments of the same periods come along.
    """
    asked: dict[str, object] = {"subscriptions": list(subscription_ids), "as_of": as_of}
    alone, together = (_LOCK, _LOCK_WITH_NEIGHBOURS)
    if also:
        asked["also"] = list(also)
        alone, together = (_LOCK_ALSO, _LOCK_ALSO_WITH_NEIGHBOURS)
    rows = session.execute(together, asked | {"cut": list(cut)}) if cut else session.execute(alone, asked)
    return read_rows(rows, UnratedSummary)


def read_unrated(session: Session, since: Mapping[str, datetime | None]) -> tuple[list[UnratedSummary], set[int]]:
    """What is to be rated of these subscriptions, or would be if all that ends after the instant given were.

    Their neighbours in the same periods come along; the second result has the ids of what is to be rated as it is.
    Nothing is locked.
    """
    rows = session.execute(_READ, {"subscriptions": list(since), "since": list(since.values())})
    read = reader(rows, UnratedSummary)
    found: list[UnratedSummary] = []
    marked: set[int] = set()
    for row in in_turns(rows):
        found.append(read(row))
        if row.to_rate:
            marked.add(row.id)
    return found, marked


def settle(session: Session, summaries: Sequence[UnratedSummary]) -> None:
    """Note that billing has seen these totals. Terms that billing ``changed`` are stored with them."""
    changed = [summary for summary in summaries if summary.changed]
    if len(changed) < len(summaries):
        session.execute(_SETTLE_AS_IS, {"ids": [summary.id for summary in summaries if not summary.changed]})
    if changed:
        session.execute(
            _SETTLE,
            {
                "ids": [summary.id for summary in changed],
                "ends": [summary.period_end for summary in changed],
                "bills": [summary.bills_at for summary in changed],
                "quotas": [summary.quota_id for summary in changed],
                "allowances": [summary.allowance for summary in changed],
                "beyonds": [summary.beyond_limit for summary in changed],
                "beyond_events": [summary.beyond_events for summary in changed],
                "boundaries": [summary.boundary for summary in changed],
            },
        )


def reopen(session: Session, summary_ids: Collection[int]) -> None:
    """Let billing look at these summaries again."""
    if summary_ids:
        session.execute(_REOPEN, {"ids": list(summary_ids)})


def reopen_from(session: Session, subscription_id: str, *, since: datetime) -> None:
    """Let billing look again at each summary of a subscription whose period bills after ``since``."""
    session.execute(_REOPEN_FROM, {"subscription": subscription_id, "since": since})


def used_types(session: Session, subscription_id: str) -> list[str]:
    """The usage types, meters too, of which a subscription has summaries."""
    return sorted(session.scalars(_USED_TYPES, {"subscription": subscription_id}))


def move_summary(session: Session, subscription_id: str, usage_type_id: str, *, since: datetime, to: datetime) -> None:
    """Let the summary of a segment that began at ``since``, if there is one, begin at ``to``, and be rated anew.

    What is left there of a segment of earlier terms, without usage that counts, takes its place.
    """
    names = {"subscription": subscription_id, "type": usage_type_id, "since": since, "to": to}
    found = {row.period_start: row.id for row in session.execute(_AT, names)}
    if since not in found:
        return
    if to in found:
        session.execute(_MOVE, {"id": found[to], "to": "-infinity"})
    session.execute(_MOVE, {"id": found[since], "to": to})
    if to in found:
        session.execute(_MOVE, {"id": found[to], "to": since})


def reopen_for_quota(
    session: Session,
    *,
    plan_id: str,
    usage_type_id: str,
    since: datetime,
    comes: bool,
) -> None:
    """Let billing look again at every summary that a new version of a plan's quota may apply to.

    The version holds from ``since`` on, in what is under way then or, if it ``comes``, in what begins later.
    """
    session.execute(_REOPEN_FOR_QUOTA, {"plan": plan_id, "type": usage_type_id, "since": since, "comes": comes})
