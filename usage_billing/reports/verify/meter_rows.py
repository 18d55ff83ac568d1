"""What is read to count a meter again: its definitions, how far it is folded, and the recordings."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.functions import Span

FETCH = 5_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USAGE = text("""
    SELECT u.summary_id, u.ordinal, u.occurred_at, u.received_at, u.quantity, CAST(u.metadata AS text) AS metadata,
        v.ordinal AS void
    FROM usage AS u
    LEFT JOIN usage_voids AS v ON v.usage_id = u.id
    WHERE u.summary_id = ANY(CAST(:sources AS bigint[])) AND u.occurred_at >= :since
        AND (CAST(:retired AS timestamptz) IS NULL OR u.recorded_at < :retired)
    ORDER BY u.summary_id, u.ordinal
""")
"""The recordings of summaries that a meter looks at, in the order recorded."""
_DEFINITION = text("""
    SELECT *
    FROM meter_definitions
    WHERE usage_type_id = :meter AND effective_from <= :start
    ORDER BY version DESC
    LIMIT 1
""")
_METER = text("SELECT * FROM meters WHERE usage_type_id = :meter")
_ZONE = text("SELECT timezone FROM subscriptions WHERE id = :subscription")
_FOLDS = text("""
    SELECT f.*, o.period_start, o.period_end
    FROM meter_folds AS f
    JOIN usage_summaries AS o ON o.id = f.source_summary_id
    WHERE o.subscription_id = :subscription AND o.usage_type_id = :of AND f.usage_type_id = :meter
    ORDER BY f.source_summary_id
""")


def definition_at(session: Session, asked: Mapping[str, Any], start: datetime) -> Any:
    """The definition for a period that begins at ``start``."""
    return session.execute(_DEFINITION, {**asked, "start": start}).one()


def meter_of(session: Session, asked: Mapping[str, Any]) -> Any:
    """The meter's row."""
    return session.execute(_METER, asked).one()


def zone_of(session: Session, asked: Mapping[str, Any]) -> str:
    """The subscription's time zone."""
    return str(session.execute(_ZONE, asked).scalar_one())


def folds_of(session: Session, asked: Mapping[str, Any]) -> dict[int, Any]:
    """How far each summary of recordings is folded into the meter of a subscription, by its id."""
    return {row.source_summary_id: row for row in session.execute(_FOLDS, asked)}


def spans_of(item: Any) -> tuple[Span, ...]:
    """The segments into which the billing period was divided when an item was written; none where it does not say."""
    segments = next((one["segments"] for one in item.sources or () if "segments" in one), ())
    return tuple(
        (_EPOCH + timedelta(microseconds=start), _EPOCH + timedelta(microseconds=end)) for start, end in segments
    )


def place_of(fold: Any, occurred_at: datetime) -> int | None:
    """The summary that a recording comes to: that of the last segment which had begun."""
    found = None
    for start, summary in zip(fold.starts, fold.summaries, strict=True):
        if start <= occurred_at:
            found = summary
    return found
