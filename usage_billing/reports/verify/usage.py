"""From the recorded usage to the summaries: totals, counts, marks, periods."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.core.decimals import plain
from usage_billing.reports.verify.difference import Difference

# One row per summary in which anything differs. `after` is the running total with the recording, in order.
_SUMMARIES = text(
    """
    WITH s AS (
        SELECT s.*, q.monthly_limit FROM usage_summaries AS s LEFT JOIN usage_quotas AS q ON q.id = s.quota_id
        WHERE s.id = ANY(CAST(:ids AS bigint[]))
    ), u AS (
        SELECT u.*, row_number() OVER w AS place, sum(u.quantity) OVER w AS after
        FROM usage AS u WHERE u.summary_id = ANY(CAST(:ids AS bigint[]))
        WINDOW w AS (PARTITION BY u.summary_id ORDER BY u.ordinal)
    ), marked AS (
        SELECT u.*, CASE WHEN s.monthly_limit IS NULL THEN 0
            ELSE greatest(u.after - s.monthly_limit, 0) - greatest(u.after - u.quantity - s.monthly_limit, 0)
            END AS mark,
            u.occurred_at < s.period_start OR u.occurred_at >= s.period_end AS misplaced,
            u.subscription_id <> s.subscription_id OR u.usage_type_id <> s.usage_type_id AS foreign_to
        FROM u JOIN s ON s.id = u.summary_id
    ), found AS (
        SELECT summary_id, count(*) AS events, sum(quantity) AS total, sum(mark) AS beyond,
            count(*) FILTER (WHERE mark > 0) AS beyond_events,
            count(*) FILTER (WHERE mark <> beyond_limit) AS wrong_marks,
            count(*) FILTER (WHERE place <> ordinal) AS wrong_ordinals,
            count(*) FILTER (WHERE misplaced) AS misplaced,
            count(*) FILTER (WHERE foreign_to) AS foreign_to
        FROM marked GROUP BY summary_id
    )
    SELECT s.id, s.subscription_id, s.usage_type_id, s.period_start,
        s.total, coalesce(f.total, 0), s.beyond_limit, coalesce(f.beyond, 0), s.events, coalesce(f.events, 0),
        s.beyond_events, coalesce(f.beyond_events, 0), coalesce(f.wrong_marks, 0), coalesce(f.wrong_ordinals, 0),
        coalesce(f.misplaced, 0), coalesce(f.foreign_to, 0)
    FROM s LEFT JOIN found AS f ON f.summary_id = s.id
    WHERE (s.total, s.beyond_limit, s.events, s.beyond_events)
        IS DISTINCT FROM (coalesce(f.total, 0), coalesce(f.beyond, 0), coalesce(f.events, 0),
            coalesce(f.beyond_events, 0))
        OR f.wrong_marks + f.wrong_ordinals + f.misplaced + f.foreign_to > 0
    ORDER BY s.id
    """
)
_ORPHANS = text(
    """
    SELECT u.id FROM usage AS u LEFT JOIN usage_summaries AS s ON s.id = u.summary_id
    WHERE s.id IS NULL AND (CAST(:only AS text) IS NULL OR u.subscription_id = :only)
    """
)
_PERIODS = text(
    """
    SELECT a.timezone, s.period_start, s.period_end, min(s.id) FROM usage_summaries AS s
    JOIN subscriptions AS a ON a.id = s.subscription_id
    WHERE CAST(:only AS text) IS NULL OR s.subscription_id = :only GROUP BY 1, 2, 3 ORDER BY 4
    """
)
_QUOTAS = text(
    """
    SELECT s.id, s.quota_id, q.id FROM usage_summaries AS s JOIN subscriptions AS a ON a.id = s.subscription_id
    LEFT JOIN usage_quotas AS q ON q.plan_id = a.plan_id AND q.usage_type_id = s.usage_type_id
        AND q.effective_from <= s.period_start AND (q.effective_until IS NULL OR s.period_start < q.effective_until)
    WHERE NOT s.to_rate AND s.quota_id IS DISTINCT FROM q.id
        AND (CAST(:only AS text) IS NULL OR s.subscription_id = :only)
    """
)


def summary_differences(session: Session, ids: Sequence[int]) -> Iterator[Difference]:
    """What is wrong with these summaries, or with the marks of their recordings."""
    for row in session.execute(_SUMMARIES, {"ids": list(ids)}):
        subject = f"summary:{row[0]}"
        where = f"{row[1]}, {row[2]}, period of {row[3].astimezone(UTC):%Y-%m-%d}"
        for kind, name, stands, should in (
            ("summary_total", "total", plain(row[4]), plain(row[5])),
            ("summary_beyond", "quantity beyond the limit", plain(row[6]), plain(row[7])),
            ("summary_events", "number of recordings", str(row[8]), str(row[9])),
            ("summary_beyond_events", "number of recordings beyond the limit", str(row[10]), str(row[11])),
        ):
            if stands != should:
                yield Difference(kind, subject, f"{where}: its {name} is {stands}, its usage gives {should}")
        for kind, count, what in (
            ("usage_mark", row[12], "recordings are not divided at the limit"),
            ("usage_ordinal", row[13], "recordings are not numbered from 1 without a gap"),
            ("usage_period", row[14], "recordings lie outside its period"),
            ("usage_summary", row[15], "recordings are of another subscription or usage type"),
        ):
            if count:
                yield Difference(kind, subject, f"{where}: {count} {what}")


def usage_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong beside the sums: usage without a summary, periods off the calendar, the wrong quota."""
    for row in session.execute(_ORPHANS, {"only": only}):
        yield Difference("usage_orphan", f"record:{row[0]}", "this recording belongs to no summary")
    for zone, start, end, summary in session.execute(_PERIODS, {"only": only}):
        if not is_month(start, end, zone=zone):
            message = f"{start.isoformat()} to {end.isoformat()} is no calendar month in {zone}"
            yield Difference("summary_period", f"summary:{summary}", message)
    for summary, stands, should in session.execute(_QUOTAS, {"only": only}):
        message = f"it was rated by quota {stands or 'none'}, its period is under {should or 'none'}"
        yield Difference("summary_quota", f"summary:{summary}", message)


def is_month(start: datetime, end: datetime, *, zone: str) -> bool:
    """Whether the span is a month of the calendar in ``zone``: found from its middle, where no clock changes."""
    middle = (start + (end - start) / 2).astimezone(ZoneInfo(zone))
    first = datetime(middle.year, middle.month, 1, tzinfo=ZoneInfo(zone))
    following = datetime(middle.year + middle.month // 12, middle.month % 12 + 1, 1, tzinfo=ZoneInfo(zone))
    return (first.astimezone(UTC), following.astimezone(UTC)) == (start.astimezone(UTC), end.astimezone(UTC))
