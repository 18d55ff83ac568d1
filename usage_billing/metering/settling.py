"""The running totals as billing sees them: it locks those it has not rated yet, and marks them as rated."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.metering.unrated import UnratedSummary

_LOCK = text("""
    SELECT id, subscription_id, usage_type_id, period_start, period_end, bills_at, quota_id, allowance, total,
        beyond_limit, events, beyond_events, voids, events_hash
    FROM usage_summaries
    WHERE to_rate AND subscription_id = ANY(CAST(:subscriptions AS text[])) AND period_start <= :as_of
    ORDER BY subscription_id, usage_type_id, period_start
    FOR UPDATE
""")
_SETTLE = text("""
    UPDATE usage_summaries AS s
    SET to_rate = false, period_end = v.period_end, bills_at = v.bills_at, quota_id = v.quota_id,
        allowance = v.allowance, beyond_limit = v.beyond_limit, beyond_events = v.beyond_events
    FROM unnest(CAST(:ids AS bigint[]), CAST(:ends AS timestamptz[]), CAST(:bills AS timestamptz[]),
        CAST(:quotas AS bigint[]), CAST(:allowances AS numeric[]), CAST(:beyonds AS numeric[]),
        CAST(:beyond_events AS bigint[]))
        AS v (id, period_end, bills_at, quota_id, allowance, beyond_limit, beyond_events)
    WHERE s.id = v.id
""")
_SETTLE_AS_IS = text("UPDATE usage_summaries SET to_rate = false WHERE id = ANY(CAST(:ids AS bigint[]))")
_REOPEN = text("UPDATE usage_summaries SET to_rate = true WHERE id = ANY(CAST(:ids AS bigint[]))")
_REOPEN_FROM = text(
    "UPDATE usage_summaries SET to_rate = true WHERE subscription_id = :subscription AND period_end > :since"
)

# Locked in the order of all writers. Those marked already are locked too: billing may be clearing the mark at this
# moment, by the older version.
_REOPEN_FOR_QUOTA = text(
    """
    UPDATE usage_summaries AS s SET to_rate = true FROM (
        SELECT s.id FROM usage_summaries AS s WHERE s.usage_type_id = :type
            AND CASE WHEN :immediate THEN s.period_end > :since ELSE s.period_start >= :since END
            AND (CAST(:own AS text) IS NULL OR s.subscription_id = :own)
            AND EXISTS (
                SELECT FROM subscription_terms AS t WHERE t.subscription_id = s.subscription_id AND t.plan_id = :plan
            )
        ORDER BY s.subscription_id, s.usage_type_id, s.period_start FOR UPDATE OF s
    ) AS affected WHERE s.id = affected.id
    """
)


def lock_unrated(session: Session, subscription_ids: Collection[str], *, as_of: datetime) -> list[UnratedSummary]:
    """Lock and return the summaries to rate that began by ``as_of``, in the order in which recording locks them too."""
    rows = session.execute(_LOCK, {"subscriptions": list(subscription_ids), "as_of": as_of})
    return read_rows(rows, UnratedSummary)


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
            },
        )


def reopen(session: Session, summary_ids: Collection[int]) -> None:
    """Let billing look at these summaries again."""
    if summary_ids:
        session.execute(_REOPEN, {"ids": list(summary_ids)})


def reopen_from(session: Session, subscription_id: str, *, since: datetime) -> None:
    """Let billing look again at each summary of a subscription that ends after ``since``."""
    session.execute(_REOPEN_FROM, {"subscription": subscription_id, "since": since})


def reopen_for_quota(
    session: Session,
    *,
    plan_id: str,
    usage_type_id: str,
    subscription_id: str | None,
    since: datetime,
    immediate: bool,
) -> None:
    """Let billing look again at every summary that a new version of a quota may apply to.

    The version holds from ``since``: an ``immediate`` one also for what is under way then. With ``subscription_id``
    it is that subscription's own.
    """
    session.execute(
        _REOPEN_FOR_QUOTA,
        {"plan": plan_id, "type": usage_type_id, "own": subscription_id, "since": since, "immediate": immediate},
    )
