"""What is kept by time of usage types that count their own recordings, hour by hour, beside those recordings."""

from collections.abc import Iterator, Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_DIFFERING = text("""
    WITH folds AS (
        SELECT s.id, f.folded, f.folded_voids
        FROM usage_summaries AS s
        JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = s.usage_type_id
        WHERE s.id = ANY(CAST(:ids AS bigint[]))
    ), kept AS (
        SELECT f.id, date_bin('1 hour', b.bucket_start, 'epoch') AS hour, sum(b.events) AS events, sum(b.total) AS total
        FROM folds AS f
        JOIN meter_buckets AS b ON b.summary_id = f.id
        GROUP BY 1, 2
    ), recorded AS (
        SELECT f.id, date_bin('1 hour', u.occurred_at, 'epoch') AS hour, count(*) AS events, sum(u.quantity) AS total
        FROM folds AS f
        JOIN usage AS u ON u.summary_id = f.id AND u.ordinal <= f.folded
        LEFT JOIN usage_voids AS v ON v.usage_id = u.id AND v.ordinal <= f.folded_voids
        WHERE v.usage_id IS NULL
        GROUP BY 1, 2
    )
    SELECT id, hour, k.events, k.total, r.events AS recorded, r.total AS sum
    FROM kept AS k
    FULL JOIN recorded AS r USING (id, hour)
    WHERE coalesce(k.events, 0) <> coalesce(r.events, 0) OR coalesce(k.total, 0) <> coalesce(r.total, 0)
    ORDER BY id, hour
""")


def by_time_differences(session: Session, ids: Sequence[int]) -> Iterator[Difference]:
    """The hours of these summaries in which other usage is kept than was recorded, as far as it is folded."""
    for row in session.execute(_DIFFERING, {"ids": list(ids)}):
        kept, should = (
            f"{events or 0} recordings of {total or 0}"
            for events, total in ((row.events, row.total), (row.recorded, row.sum))
        )
        message = f"its hour {row.hour:%Y-%m-%dT%H:%MZ} keeps {kept}, its usage gives {should}"
        yield Difference("usage_by_time", f"summary:{row.id}", message)
