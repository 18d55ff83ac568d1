"""Reads what folds have counted day by day, of usage types whose days add up; many subscriptions at once."""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.periods import local_instant
from usage_billing.meters.definition import Function
from usage_billing.meters.queries import ActiveMeter

Days = dict[tuple[str, str], dict[datetime, Decimal]]
"""By subscription and usage type: by where a day begins, what was used in it; a day without usage is absent."""

# The first bucket of a segment may begin before it, by less than an hour.
_DAYS = text("""
    SELECT s.subscription_id, s.usage_type_id,
        date_trunc('day', greatest(b.bucket_start, s.period_start), CAST(:zone AS text)) AS day,
        sum(b.total) AS total, sum(b.events) AS events
    FROM usage_summaries AS s
    JOIN meter_buckets AS b ON b.summary_id = s.id AND b.bucket_start < :until
        AND b.bucket_start >= CAST(:since AS timestamptz) - interval '1 hour'
        AND greatest(b.bucket_start, s.period_start) >= :since
    WHERE s.subscription_id = ANY(CAST(:subscriptions AS text[])) AND s.usage_type_id = ANY(CAST(:types AS text[]))
        AND s.period_start < :until AND s.period_end > :since
    GROUP BY 1, 2, 3
""")


def days_of(
    session: Session,
    subscription_ids: Collection[str],
    meters: Collection[ActiveMeter],
    *,
    zone: str,
    since: datetime,
    until: datetime,
) -> Days:
    """What these subscriptions, of one time zone, used from ``since`` to before ``until``, of meters that add up."""
    counts = {one.usage_type_id: one.function == Function.COUNT for one in meters}
    asked = {"subscriptions": list(subscription_ids), "types": list(counts), "zone": zone}
    found: Days = {}
    for row in session.execute(_DAYS, {**asked, "since": since, "until": until}):
        value = Decimal(row.events) if counts[row.usage_type_id] else row.total
        found.setdefault((row.subscription_id, row.usage_type_id), {})[row.day] = value
    return found


def day_before(instant: datetime, days: int, *, zone: str) -> datetime:
    """When the day begins that is so many days before the one around ``instant``, by the clock of ``zone``."""
    local = instant.astimezone(ZoneInfo(zone)) - timedelta(days=days)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return local_instant(midnight, zone=zone)
