"""What resets kept: as much as left the grants that ended, with their part of the cost, within what was to be kept."""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from iso4217 import Currency
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

# What usage took back later leaves is not kept, so then only the bounds are looked at; in money always.
_KEPT = text(
    """
    WITH parts AS (
        SELECT s.kept_in, s.wallet_id, s.reset_at, s.status = 'closed' AS is_closed, s.closes_at,
            s.rolled_over - coalesce((SELECT r.amount FROM wallet_grants AS r WHERE r.rolls_from = s.id), 0) AS part,
            s.amount - s.posted - s.taken_back - s.refunded AS had,
            (SELECT coalesce(sum(CASE kind WHEN 'rolled_out' THEN cost WHEN 'rolled_back' THEN -cost END), 0)
                FROM wallet_transfers WHERE grant_id = s.id) AS cost,
            EXISTS (SELECT FROM wallet_transfers AS t WHERE t.grant_id = s.id AND t.kind = 'returned' AND NOT EXISTS (
                SELECT FROM wallet_transfers AS u WHERE u.grant_id = s.id AND u.kind = 'used' AND u.at = t.at
                    AND u.amount = t.amount AND u.window_start = t.window_start AND u.id > t.id)) AS disturbed
        FROM wallet_grants AS s WHERE s.kept_in IS NOT NULL
    ), kept AS (
        SELECT k.id, k.amount, k.cost, k.rollover_max AS most, w.customer_id, max(p.closes_at) AS closed_at,
            coalesce(sum(p.part), 0) AS given, coalesce(sum(p.cost), 0) AS its_cost,
            coalesce(bool_and(p.reset_at = k.effective_at AND p.wallet_id = k.wallet_id), true) AS as_said,
            w.unit_name IS NOT NULL AND coalesce(bool_and(p.is_closed AND NOT p.disturbed), true) AS is_settled,
            least(k.rollover_max, coalesce(sum(p.had), 0)) AS should
        FROM wallet_grants AS k JOIN wallets AS w ON w.id = k.wallet_id LEFT JOIN parts AS p ON p.kept_in = k.id
        WHERE k.category = 'rollover' AND k.key IS NOT NULL AND (CAST(:only AS text) IS NULL
            OR EXISTS (SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id))
        GROUP BY k.id, w.id
    )
    SELECT c.* FROM kept AS c
    WHERE NOT as_said OR (amount, cost) <> (given, its_cost) OR amount > most
        OR is_settled AND amount <> should AND NOT EXISTS (
            SELECT FROM subscriptions AS a JOIN usage AS u ON u.subscription_id = a.id
                JOIN usage_voids AS v ON v.usage_id = u.id
            WHERE a.customer_id = c.customer_id AND v.voided_at >= c.closed_at)
    ORDER BY c.id
    """
)
_COSTS = text(
    """
    SELECT s.id, s.cost, s.amount, s.cost_currency, s.taken_back + s.refunded AS before, s.rolled_over, (
        SELECT coalesce(sum(CASE kind WHEN 'rolled_out' THEN cost WHEN 'rolled_back' THEN -cost END), 0)
        FROM wallet_transfers WHERE grant_id = s.id) AS went
    FROM wallet_grants AS s JOIN wallets AS w ON w.id = s.wallet_id
    WHERE s.kept_in IS NOT NULL AND s.cost > 0 AND (CAST(:only AS text) IS NULL
        OR EXISTS (SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id))
    ORDER BY s.id
    """
)


def kept_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with what resets kept; of one subscription in the wallets of its customer."""
    for row in session.execute(_KEPT, {"only": only}):
        message = f"it has {row.amount} for {row.cost} of at most {row.most}, {row.given} for {row.its_cost} left"
        message = f"{message} the grants that ended, which had {row.should} to be kept"
        yield Difference("wallet_rollover", f"grant:{row.id}", message)
    for row in session.execute(_COSTS, {"only": only}):
        should = _cost(row, row.before + row.rolled_over) - _cost(row, row.before)
        if Fraction(row.went) != should:
            told = Decimal(should.numerator) / should.denominator
            message = f"{row.rolled_over} of it were kept for {row.went}, not for {told}"
            yield Difference("wallet_rollover", f"grant:{row.id}", message)


def _cost(row: Any, units: Any) -> Fraction:
    scale = 10 ** (Currency(row.cost_currency).exponent or 0)
    return Fraction(floor(Fraction(row.cost) * Fraction(units) / Fraction(row.amount) * scale + Fraction(1, 2)), scale)
