"""Alerts: what was told follows from the usage that was in the books when it was told, and nothing is left untold.

Usage types that have recordings of their own are proven from these, by sums of their own; an alert on money, a meter or
a period that is cut from what the firing says that it compared.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_FIRED = text("""
    SELECT f.id, f.rule_id, f.subject, f.threshold, f.begins, f.value, f.base, r.watches, r.every, r.created_at,
        f.period_end, f.fired_at < f.period_start + interval '1 day' AND r.watches = 'projected' AS soon,
        t.of IS NULL AND f.usage_type_id IS NOT NULL AND r.watches IN ('percent', 'units')
            AND r.basis IS DISTINCT FROM 'spend' AS counted,
        (
            SELECT coalesce(sum(u.quantity), 0)
            FROM usage_summaries AS s
            JOIN usage AS u ON u.summary_id = s.id AND u.recorded_at <= f.fired_at
            WHERE s.subscription_id = f.subscription_id AND s.usage_type_id = f.usage_type_id
                AND s.period_start >= f.period_start AND s.period_start < f.period_end
        ) AS recorded,
        (
            SELECT coalesce(sum(s.voids), 0)
            FROM usage_summaries AS s
            WHERE s.subscription_id = f.subscription_id AND s.usage_type_id = f.usage_type_id
                AND s.period_start >= f.period_start AND s.period_start < f.period_end
        ) AS voids,
        (
            SELECT max(before.threshold)
            FROM alert_firings AS before
            WHERE before.rule_id = f.rule_id AND before.subject = f.subject AND before.period_start = f.period_start
                AND before.threshold < f.threshold
        ) AS before
    FROM alert_firings AS f
    JOIN alert_rules AS r ON r.id = f.rule_id
    LEFT JOIN usage_types AS t ON t.id = f.usage_type_id
    WHERE f.wallet_id IS NULL AND (CAST(:only AS text) IS NULL OR f.subscription_id = :only)
    ORDER BY f.id
""")
# Periods that nothing cuts, of rules that have been as they are since before the period. What is to be judged anew is
# left out: it is told within seconds.
_UNTOLD = text("""
    SELECT r.id AS rule_id, s.subscription_id, s.usage_type_id, s.total, s.allowance, r.watches, r.every, r.thresholds,
        ARRAY(
            SELECT f.threshold
            FROM alert_firings AS f
            WHERE f.rule_id = r.id AND f.subject = s.subscription_id || '/' || s.usage_type_id
                AND f.period_start >= s.period_start AND f.period_start < s.period_end
        ) AS told
    FROM usage_summaries AS s
    JOIN subscriptions AS c ON c.id = s.subscription_id
    JOIN alert_rules AS r ON r.ended_at IS NULL AND r.holds_since <= s.period_start
        AND coalesce(r.usage_type_id, s.usage_type_id) = s.usage_type_id
        AND coalesce(r.subscription_id, s.subscription_id) = s.subscription_id
        AND coalesce(r.customer_id, c.customer_id) = c.customer_id
        AND (r.watches = 'units' OR r.basis = 'allowance')
        AND (r.plan_id IS NULL OR (
            SELECT array_agg(DISTINCT t.plan_id) FROM subscription_terms AS t WHERE t.subscription_id = c.id
        ) = ARRAY[r.plan_id])
    WHERE s.total > 0 AND s.bills_at = s.period_end AND (CAST(:only AS text) IS NULL OR s.subscription_id = :only)
        AND NOT EXISTS (
            SELECT
            FROM usage_summaries AS o
            WHERE o.subscription_id = s.subscription_id AND o.usage_type_id = s.usage_type_id AND o.id <> s.id
                AND o.bills_at = s.bills_at
        )
        AND NOT EXISTS (SELECT FROM alert_looks AS l WHERE l.subscription_id = s.subscription_id)
    ORDER BY r.id, s.id
""")


def alert_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with what alerts told, and what they did not tell."""
    for row in session.execute(_FIRED, {"only": only}):
        subject = f"alert:{row.rule_id}/{row.subject}"
        if row.counted and (row.value > row.recorded or (not row.voids and row.value != row.recorded)):
            message = f"{row.threshold} was told of {row.value}, when {row.recorded} was recorded"
            yield Difference("alert_value", subject, message)
        if not _reached(row.watches, row.threshold, row.value, row.base):
            message = f"{row.threshold} was told of {row.value} (100 percent: {row.base})"
            yield Difference("alert_line", subject, message)
        if row.every is not None and row.begins != (row.before or Decimal(0)) + row.every:
            message = f"multiples from {row.begins} were told, the last before was {row.before}"
            yield Difference("alert_gap", subject, message)
        if row.created_at >= row.period_end:
            yield Difference("alert_period", subject, "the period was over before there was the alert")
        if row.soon:
            yield Difference("alert_period", subject, "it was foreseen before a day of the period was over")
    for row in session.execute(_UNTOLD, {"only": only}):
        missing = [line for line in _lines(row) if line not in row.told]
        if missing:
            message = f"{', '.join(map(str, missing))} is reached by {row.total} and was not told"
            yield Difference("alert_untold", f"alert:{row.rule_id}/{row.subscription_id}/{row.usage_type_id}", message)


def _reached(watches: str, line: Decimal, value: Decimal, whole: Decimal | None) -> bool:
    if watches == "anomaly":  # its line is in deviations, which are not kept
        return whole is not None and value > whole
    if watches != "percent":
        return value >= line
    return whole is not None and value > 0 and Fraction(value) >= Fraction(whole) * Fraction(line) / 100


def _lines(row: Row[Any]) -> list[Decimal]:
    """The lines that a period's total has reached; of multiples the last."""
    if row.every is not None:
        last = row.total // row.every * row.every
        return [last] if last > max(row.told, default=Decimal(0)) else []
    return [line for line in row.thresholds if _reached(row.watches, line, row.total, row.allowance)]
