"""Into which summaries of a meter recordings were counted, and when those occurred."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.spans import Used
from usage_billing.db.rows import read_rows

_FOLDED = text("""
    SELECT s.period_start, min(u.occurred_at) AS first, max(u.occurred_at) AS last
    FROM (
        SELECT f.source_summary_id AS source, f.folded, p.starts, p.summary,
            lead(p.starts, 1, 'infinity') OVER (PARTITION BY f.source_summary_id ORDER BY p.starts) AS ends
        FROM usage_summaries AS r
        JOIN meter_folds AS f ON f.source_summary_id = r.id AND f.usage_type_id = :type
        CROSS JOIN unnest(f.starts, f.summaries) AS p (starts, summary)
        WHERE r.subscription_id = :subscription
            AND r.usage_type_id = (SELECT of FROM usage_types WHERE id = :type) AND r.period_end > :since
    ) AS f
    JOIN usage_summaries AS s ON s.id = f.summary
    JOIN usage AS u ON u.summary_id = f.source AND u.ordinal <= f.folded
        AND u.occurred_at >= f.starts AND u.occurred_at < f.ends
    WHERE s.period_end > :since AND s.events > s.voids
        AND NOT EXISTS (SELECT FROM usage_voids AS v WHERE v.usage_id = u.id)
    GROUP BY s.id, s.period_start
""")


def folded_after(session: Session, subscription_id: str, usage_type_id: str, *, since: datetime) -> list[Used]:
    """The summaries of a subscription and meter that end after ``since`` and in which a recording counts.

    The times are those of recordings that folds looked at for a summary, also of those that the meter leaves out; not
    those in summaries of what is recorded that end by ``since``, for no change from then on reaches them.
    None for a usage type that is no meter.
    """
    asked = {"subscription": subscription_id, "type": usage_type_id, "since": since}
    return read_rows(session.execute(_FOLDED, asked), Used)
