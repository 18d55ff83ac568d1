"""Recordings, voids and summaries that do not fit together: they belong to nothing, or to two things."""

from collections.abc import Iterator

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

# Kind of difference, subject, message, and the query for the ids; :only narrows it to one subscription.
_CHECKS = (
    (
        "usage_orphan",
        "record",
        "this recording belongs to no summary",
        """
        SELECT u.id FROM usage AS u LEFT JOIN usage_summaries AS s ON s.id = u.summary_id
        WHERE s.id IS NULL AND u.subscription_id = :only
        """,
    ),
    (
        "void_orphan",
        "record",
        "what was taken back is not recorded, or under another summary",
        """
        SELECT v.usage_id FROM usage_voids AS v LEFT JOIN usage AS u ON u.id = v.usage_id
        WHERE u.summary_id IS DISTINCT FROM v.summary_id
            AND (CAST(:only AS text) IS NULL OR u.subscription_id = :only)
        """,
    ),
    (
        "void_ordinal",
        "summary",
        "what was taken back is not numbered from 1 without a gap",
        """
        SELECT v.summary_id FROM usage_voids AS v JOIN usage_summaries AS s ON s.id = v.summary_id
        WHERE CAST(:only AS text) IS NULL OR s.subscription_id = :only
        GROUP BY v.summary_id
        HAVING min(v.ordinal) <> 1 OR max(v.ordinal) <> count(*) OR count(DISTINCT v.ordinal) <> count(*)
        """,
    ),
    (
        "item_before",
        "item",
        "what it says came before it is not the sum of its neighbours",
        """
        SELECT id FROM (
            SELECT x.id, x.before_quantity, x.before_recordings, i.status = 'draft' AND s.to_rate AS waits,
                x.cell = '' AND x.price ->> 'model' = 'by_dimension' AS is_whole,
                sum(x.billable) OVER earlier AS quantity, sum(x.billable_events) OVER earlier AS recordings
            FROM usage_invoice_items AS x JOIN usage_summaries AS s ON s.id = x.summary_id
            JOIN invoices AS i ON i.id = x.invoice_id
            WHERE x.kind = 'usage' AND NOT s.frozen AND (CAST(:only AS text) IS NULL OR s.subscription_id = :only)
            WINDOW earlier AS (
                PARTITION BY x.invoice_id, x.usage_type_id, x.price, s.bills_at, x.cell ORDER BY x.period_start
                RANGE UNBOUNDED PRECEDING EXCLUDE GROUP
            )
        ) AS items WHERE NOT waits AND NOT is_whole
            AND (before_quantity <> coalesce(quantity, 0) OR before_recordings <> coalesce(recordings, 0))
        """,
    ),
    (
        "item_before",
        "item",
        "what it says all cells came to is not the sum of their items",
        """
        SELECT id FROM (
            SELECT x.id, x.before_quantity, i.status = 'draft' AND s.to_rate AS waits,
                x.cell = '' AND x.price ->> 'model' = 'by_dimension' AS is_whole,
                sum(x.amount) FILTER (WHERE x.cell <> '') OVER so_far AS amount
            FROM usage_invoice_items AS x JOIN usage_summaries AS s ON s.id = x.summary_id
            JOIN invoices AS i ON i.id = x.invoice_id
            WHERE x.kind = 'usage' AND (CAST(:only AS text) IS NULL OR s.subscription_id = :only)
            WINDOW so_far AS (
                PARTITION BY x.invoice_id, x.usage_type_id, x.price, s.bills_at ORDER BY x.period_start
            )
        ) AS items WHERE NOT waits AND is_whole AND before_quantity <> coalesce(amount, 0)
        """,
    ),
    (
        "summary_overlap",
        "summary",
        "it overlaps the one before it",
        """
        SELECT id FROM (
            SELECT id, period_start < lag(period_end) OVER spans AND NOT lag(to_rate) OVER spans AS crosses
            FROM usage_summaries WHERE (CAST(:only AS text) IS NULL OR subscription_id = :only)
            -- A change of terms may leave an empty summary of a segment that is gone; that one may overlap.
            AND (events > voids OR allowance IS NOT NULL)
            WINDOW spans AS (PARTITION BY subscription_id, usage_type_id ORDER BY period_start)
        ) AS neighbours WHERE crosses
        """,
    ),
)


def stray_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What does not fit together, in all subscriptions or in the subscription ``only``."""
    for kind, subject, message, statement in _CHECKS:
        for id in session.scalars(text(statement), {"only": only}):
            yield Difference(kind, f"{subject}:{id}", message)
