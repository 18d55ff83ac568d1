"""Schedules: each occurrence that is stored has one grant, as the schedule says, and none is missing.

Occurrences are reckoned by a calendar of this module's own.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_SCHEDULES = text(
    """
    SELECT s.*, ARRAY(SELECT effective_at FROM wallet_grants AS g WHERE g.schedule_id = s.id ORDER BY 1) AS begins,
        (SELECT count(*) FROM wallet_grants AS g WHERE g.schedule_id = s.id AND
            (g.wallet_id, g.amount, g.category, g.priority, g.cost) IS DISTINCT FROM
            (s.wallet_id, s.amount, s.category, s.priority, 0)) AS others,
        (SELECT count(*) FROM wallet_grants AS g WHERE g.schedule_id = s.id AND s.rollover_periods IS NOT NULL
            AND NOT EXISTS (SELECT FROM wallet_grants AS r WHERE r.rolls_from = g.id)
            AND EXISTS (SELECT FROM wallet_grants AS n WHERE n.schedule_id = s.id AND n.effective_at > g.effective_at))
            AS dropped
    FROM wallet_schedules AS s JOIN wallets AS w ON w.id = s.wallet_id
    WHERE CAST(:only AS text) IS NULL
        OR EXISTS (SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id)
    ORDER BY s.id
    """
)
# What usage took back later leaves is not carried over, so then only the bounds are looked at; in money always.
_CARRIED = text(
    """
    WITH carried AS (
        SELECT r.id, r.amount, CASE WHEN s.kept_in IS NULL THEN s.rolled_over ELSE 0 END AS rolled_over,
            w.customer_id, s.closes_at,
            r.wallet_id = s.wallet_id AND r.effective_at = s.expires_at
                AND (r.rollover_max, r.rollover_percent) IS NOT DISTINCT FROM (p.rollover_max, p.rollover_percent)
                AS as_said,
            least(r.rollover_max, trunc(s.amount * r.rollover_percent / 100, 12), s.amount,
                CASE WHEN s.reset_at IS NOT NULL THEN 0 END) AS bound,
            CASE WHEN s.status = 'closed' AND w.unit_name IS NOT NULL
                AND NOT EXISTS (SELECT FROM wallet_transfers WHERE grant_id = s.id AND kind = 'returned')
                THEN s.amount - s.posted - s.taken_back - s.refunded END AS had
        FROM wallet_grants AS r JOIN wallet_grants AS s ON s.id = r.rolls_from JOIN wallets AS w ON w.id = r.wallet_id
        LEFT JOIN wallet_schedules AS p ON p.id = s.schedule_id
        WHERE CAST(:only AS text) IS NULL
            OR EXISTS (SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id)
    )
    SELECT c.*, least(bound, had) AS most
    FROM carried AS c
    WHERE NOT as_said OR amount <> rolled_over OR amount > bound OR amount <> least(bound, had) AND NOT EXISTS (
        SELECT FROM subscriptions AS a JOIN usage AS u ON u.subscription_id = a.id
            JOIN usage_voids AS v ON v.usage_id = u.id
        WHERE a.customer_id = c.customer_id AND v.voided_at >= c.closes_at) AND had IS NOT NULL
    ORDER BY c.id
    """
)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MOST = 1_000_000


def schedule_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with grants that recur; of one subscription with those of its customer."""
    for row in session.execute(_SCHEDULES, {"only": only}):
        until = row.next_at or row.ends_at
        should = [] if until is None else _occurrences(row, until)
        # One that begins as the schedule is ended by hand is made.
        stands = [at for at in row.begins if at != row.ends_at]
        if stands != should:
            astray = sorted({*stands} ^ {*should})
            first = f"{astray[0]:%Y-%m-%dT%H:%MZ}" if astray else "no time"
            message = f"it has {len(stands)} grants for {len(should)} occurrences; they differ first at {first}"
            yield Difference("wallet_schedule", f"schedule:{row.id}", message)
        if row.others:
            yield Difference("wallet_schedule", f"schedule:{row.id}", f"{row.others} of its grants are not as it says")
        if row.dropped:
            message = f"nothing carries over from {row.dropped} of its grants"
            yield Difference("wallet_rollover", f"schedule:{row.id}", message)
    for row in session.execute(_CARRIED, {"only": only}):
        message = f"it has {row.amount}; {row.rolled_over} left the other grant, of which {row.most} is carried over"
        if not row.as_said:
            message = f"{message}; it is not as its schedule says"
        yield Difference("wallet_rollover", f"grant:{row.id}", message)


def _occurrences(row: Any, until: datetime) -> list[datetime]:
    """The occurrences of a schedule before ``until``."""
    clock = ZoneInfo(row.timezone)
    if row.anchor is not None:
        first = row.anchor.astimezone(clock).replace(tzinfo=None, fold=0)
    else:  # a Monday, and a first of January
        first = datetime(2001 if row.interval in ("day", "week") else 2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    found: list[datetime] = []
    for number in range(_MOST):
        at = _nth(row, first, number).replace(tzinfo=clock).astimezone(UTC)
        if at >= until:
            break
        if at >= row.starts_at:
            found.append(at)
    return found


def _nth(row: Any, first: datetime, number: int) -> datetime:
    steps = number * row.interval_count
    if row.interval in ("day", "week"):
        return first + timedelta(days=steps * (7 if row.interval == "week" else 1))
    year, month = divmod(first.year * 12 + first.month - 1 + steps * _MONTHS[row.interval], 12)
    return first.replace(year=year, month=month + 1, day=min(first.day, monthrange(year, month + 1)[1]))
