"""Reads how far meters are: what is still to be counted into them, and what could not be."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows

_BEHIND = text("""
    SELECT m.usage_type_id AS meter,
        coalesce(sum(s.events - coalesce(f.folded, 0)) FILTER (WHERE s.to_rate OR NOT m.looked_back), 0) AS recordings,
        coalesce(sum(f.skipped), 0) AS skipped, coalesce(sum(f.unfit), 0) AS unfit, m.looked_back
    FROM meters AS m
    JOIN usage_types AS t ON t.id = m.usage_type_id
    LEFT JOIN usage_summaries AS s ON s.usage_type_id = coalesce(t.of, t.id) AND s.period_end > m.since
    LEFT JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = m.usage_type_id
    WHERE CAST(:meter AS text) IS NULL OR m.usage_type_id = :meter
    GROUP BY m.usage_type_id, m.looked_back
    ORDER BY m.usage_type_id
""")
_LAG = text("""
    SELECT m.usage_type_id AS meter, coalesce(sum(s.events - coalesce(f.folded, 0)), 0) AS recordings
    FROM meters AS m
    JOIN usage_types AS t ON t.id = m.usage_type_id
    LEFT JOIN usage_summaries AS s ON s.usage_type_id = coalesce(t.of, t.id) AND s.period_end > m.since AND s.to_rate
    LEFT JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = m.usage_type_id
    GROUP BY m.usage_type_id
    ORDER BY m.usage_type_id
""")
_LEFT_OF = """
    SELECT subscription_id, CAST(sum(recordings) AS bigint) AS recordings,
        (array_agg(meter ORDER BY recordings DESC, meter))[1] AS meter
    FROM (
        SELECT s.subscription_id, m.usage_type_id AS meter,
            sum(s.events - coalesce(f.folded, 0) + s.voids - coalesce(f.folded_voids, 0)) AS recordings
        FROM meters AS m
        JOIN usage_types AS t ON t.id = m.usage_type_id
        JOIN usage_summaries AS s ON s.usage_type_id = t.of AND s.period_end > m.since
        LEFT JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = m.usage_type_id
        WHERE (s.to_rate OR NOT m.looked_back) AND s.subscription_id {these}
        GROUP BY 1, 2
    ) AS behind
    GROUP BY subscription_id
    HAVING sum(recordings) > :more_than
"""
_FAR_BEHIND = text(_LEFT_OF.format(these="= ANY(CAST(:subscriptions AS text[]))"))
_LEFT_OF_CUSTOMER = text(_LEFT_OF.format(these="IN (SELECT id FROM subscriptions WHERE customer_id = :customer)"))
_SKIPPING = text("""
    SELECT f.source_summary_id AS source, f.folded, s.subscription_id, s.period_start
    FROM meter_folds AS f
    JOIN usage_summaries AS s ON s.id = f.source_summary_id
    WHERE f.usage_type_id = :meter AND f.skipped > 0
    ORDER BY s.period_start DESC, s.id
    LIMIT 1000
""")
_LAGGING = text("""
    SELECT DISTINCT s.id
    FROM usage_summaries AS s
    JOIN usage_types AS t ON coalesce(t.of, t.id) = s.usage_type_id
    JOIN meters AS m ON m.usage_type_id = t.id AND s.period_end > m.since
    LEFT JOIN meter_folds AS f ON f.source_summary_id = s.id AND f.usage_type_id = m.usage_type_id
    WHERE s.id = ANY(CAST(:ids AS bigint[]))
        AND (s.events > coalesce(f.folded, 0) OR s.voids > coalesce(f.folded_voids, 0))
""")


@dataclass(frozen=True, slots=True)
class SkippingFold:
    """A summary in which a meter found recordings without a value, as far as it has counted."""

    source: int
    folded: int
    subscription_id: str
    period_start: datetime


@dataclass(frozen=True, slots=True)
class FoldState:
    """How far a meter is behind: ``recordings`` not counted yet; and what it could not count.

    ``skipped`` recordings had no value, ``unfit`` values of dimensions count as null. ``looked_back``: the periods
    that were there before the meter are counted.
    """

    meter: str
    recordings: int
    skipped: int
    unfit: int
    looked_back: bool


@dataclass(frozen=True, slots=True)
class Behind:
    """How many recordings, or what was taken back, meters have to count; and the meter that lacks most."""

    recordings: int
    meter: str


def fold_states(session: Session, *, meter: str | None = None) -> list[FoldState]:
    """How far every meter is, or the one that is named, by id."""
    rows = session.execute(_BEHIND, {"meter": meter})
    return [
        FoldState(row.meter, int(row.recordings), int(row.skipped), int(row.unfit), row.looked_back) for row in rows
    ]


def far_behind(session: Session, subscription_ids: Collection[str], *, more_than: int) -> dict[str, Behind]:
    """Those of these subscriptions of which meters have to count more than so many recordings, history included."""
    asked = {"subscriptions": list(subscription_ids), "more_than": more_than}
    rows = session.execute(_FAR_BEHIND, asked)
    return {row.subscription_id: Behind(row.recordings, row.meter) for row in rows}


def behind_of(
    session: Session, *, customer_id: str | None = None, subscription_id: str | None = None
) -> dict[str, Behind]:
    """What meters have left of one subscription, or of all of a customer's, by subscription; history included."""
    if customer_id is None:
        return far_behind(session, [] if subscription_id is None else [subscription_id], more_than=0)
    rows = session.execute(_LEFT_OF_CUSTOMER, {"customer": customer_id, "more_than": 0})
    return {row.subscription_id: Behind(row.recordings, row.meter) for row in rows}


def skipping_folds(session: Session, meter: str) -> list[SkippingFold]:
    """The summaries in which a meter found recordings without a value, the latest first."""
    return read_rows(session.execute(_SKIPPING, {"meter": meter}), SkippingFold)


def lags(session: Session) -> dict[str, int]:
    """By meter: how many recordings it has not counted, history left aside. It costs no more than what is unrated."""
    return {row.meter: int(row.recordings) for row in session.execute(_LAG)}


def lagging(session: Session, summary_ids: Collection[int]) -> list[int]:
    """Those of these summaries of recordings of which a meter has not counted all."""
    return list(session.scalars(_LAGGING, {"ids": list(summary_ids)}))
