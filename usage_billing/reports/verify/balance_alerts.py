"""Alerts on balances: what was told follows from what the firing says, within what was ever granted, in its order.

What a wallet in units has by now is found anew from the marks of its usage: a line that it is down to was told. What a
wallet had at an earlier moment, and what one in money has, is proven from the firing alone: it followed from charges of
that moment, which are not kept.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.drawn import paid_in_time
from usage_billing.reports.verify.drawn_words import NOTHING, Payer, Place
from usage_billing.reports.verify.wallet_books import WalletBook, books, closings_of

_FIRED = text("""
    SELECT f.rule_id, f.wallet_id, f.round, f.threshold, f.value, f.base, f.state, f.fired_at, f.resolved_at, (
            SELECT coalesce(sum(g.amount), 0)
            FROM wallet_grants AS g
            WHERE g.wallet_id = f.wallet_id AND g.activated_at IS NOT NULL AND g.effective_at <= f.fired_at
                AND (g.expires_at IS NULL OR g.expires_at > f.fired_at)
        ) AS granted, EXISTS (
            SELECT FROM wallet_grants AS g WHERE g.wallet_id = f.wallet_id AND g.category = 'rollover'
        ) AS rolls
    FROM alert_firings AS f
    JOIN wallets AS w ON w.id = f.wallet_id
    WHERE CAST(:only AS text) IS NULL
        OR EXISTS (SELECT FROM subscriptions AS s WHERE s.id = :only AND s.customer_id = w.customer_id)
    ORDER BY f.rule_id, f.wallet_id, f.threshold, f.round
""")
# Wallets that nothing waits to be judged of. One with a schedule, or that an allowance may be carried over into, has
# grants by the clock that are not stored yet.
_RULES = text("""
    SELECT r.id AS rule_id, r.thresholds, r.rearm, r.basis, now() AS now, (
            SELECT coalesce(sum(g.amount - g.taken_back - g.refunded), 0)
            FROM wallet_grants AS g
            WHERE g.wallet_id = w.id AND g.activated_at IS NOT NULL AND g.effective_at <= now()
                AND coalesce(least(g.expires_at, g.reset_at), 'infinity') > now()
        ) AS granted, (
            SELECT coalesce(jsonb_object_agg(l.threshold, l.state), '{}')
            FROM (
                SELECT DISTINCT ON (f.threshold) CAST(trim_scale(f.threshold) AS text) AS threshold, f.state
                FROM alert_firings AS f
                WHERE f.rule_id = r.id AND f.wallet_id = w.id
                ORDER BY f.threshold, f.round DESC
            ) AS l
        ) AS told
    FROM alert_rules AS r
    JOIN wallets AS w ON w.id = :wallet
    JOIN alert_wallets AS a ON a.wallet_id = w.id AND a.look_at > now()
    WHERE r.watches = 'balance' AND r.ended_at IS NULL
        AND coalesce(r.wallet_id, w.id) = w.id AND coalesce(r.customer_id, w.customer_id) = w.customer_id
        AND r.currency IS NULL AND (r.usage_type_id IS NULL OR EXISTS (
            SELECT FROM wallet_scopes AS t WHERE t.wallet_id = w.id AND t.usage_type_id = r.usage_type_id
        ))
        AND EXISTS (SELECT FROM wallet_grants AS g WHERE g.wallet_id = w.id AND g.activated_at IS NOT NULL)
        AND NOT EXISTS (SELECT FROM wallet_schedules AS s WHERE s.wallet_id = w.id)
        AND NOT EXISTS (
            SELECT FROM wallet_scopes AS t JOIN usage_quotas AS q ON q.usage_type_id = t.usage_type_id
            WHERE t.wallet_id = w.id AND q.rollover_periods IS NOT NULL
        )
        AND NOT EXISTS (
            SELECT
            FROM alert_looks AS l
            WHERE l.customer_id = w.customer_id
                OR l.subscription_id IN (SELECT id FROM subscriptions WHERE customer_id = w.customer_id)
        )
    ORDER BY r.id
""")


def balance_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with what alerts told of balances, and what they did not tell."""
    fired = session.execute(_FIRED, {"only": only})
    for (rule_id, wallet_id, _), rounds in groupby(fired, lambda row: (row.rule_id, row.wallet_id, row.threshold)):
        yield from _told(f"alert:{rule_id}/wallet:{wallet_id}", list(rounds))
    for book in books(session, only, watched=True):
        left: Fraction | None = None
        for row in session.execute(_RULES, {"wallet": book.id}).all():
            left = _left(session, book, now=row.now) if left is None else left
            yield from _untold(book.id, row, left)


def _told(subject: str, rounds: Sequence[Any]) -> Iterator[Difference]:
    before: Any = None
    for number, row in enumerate(rounds):
        if not _is_down_to(Fraction(row.value), row.threshold, row.base):
            message = f"{row.threshold} was told of {row.value} (100 percent: {row.base})"
            yield Difference("alert_line", subject, message)
        most = max(row.value, row.base or row.value)
        if not row.rolls and most > row.granted:
            yield Difference("alert_value", subject, f"{most} was told, when {row.granted} was granted")
        is_next = before is None or (before.state == "back" and before.resolved_at <= row.fired_at)
        if row.round != number or not is_next:
            message = f"{row.threshold} was told again, round {row.round}, when it was not back"
            yield Difference("alert_round", subject, message)
        before = row


def _untold(wallet_id: str, row: Any, left: Fraction) -> Iterator[Difference]:
    base = row.granted if row.basis == "granted" else None
    missing = []
    for line in row.thresholds:
        state = row.told.get(f"{line.normalize():f}")
        waits = state is None or (state == "back" and row.rearm == "on_resolve")
        if waits and _is_down_to(left, line, base):
            missing.append(f"{line:f}")
    if missing:
        left_now = Decimal(left.numerator) / Decimal(left.denominator)
        message = f"{', '.join(missing)} is reached by {left_now:f} and was not told"
        yield Difference("alert_untold", f"alert:{row.rule_id}/wallet:{wallet_id}", message)


def _is_down_to(value: Fraction, line: Decimal, base: Decimal | None) -> bool:
    if base is None:
        return value <= Fraction(line)
    return value * 100 <= Fraction(base) * Fraction(line)


def _left(session: Session, book: WalletBook, *, now: datetime) -> Fraction:
    """What grants that hold now have left, after all that the usage in the books draws."""
    posted: dict[tuple[Place, Any], Fraction] = {}
    for one in (row for together in book.transfers for row in together if row.kind in ("used", "returned")):
        key = (Place(one.summary_id, one.window_start), one.grant_id)
        posted[key] = posted.get(key, NOTHING) + (1 if one.kind == "used" else -1) * Fraction(one.amount)
    payers = list(book.payers.values())
    closings = closings_of(session, book)
    stands = {key: units for key, units in posted.items() if units > 0}
    paid = paid_in_time(closings, book.wants, payers, stands, book.unused, book.owing)
    owed = sum((units for key, units in paid.items() if book.owing and key[1] == book.owing.line), NOTHING)
    drawn = {payer.id: sum((units for key, units in paid.items() if key[1] == payer.id), NOTHING) for payer in payers}
    return sum((payer.units - drawn[payer.id] for payer in payers if _holds(payer, now)), NOTHING) - owed


def _holds(payer: Payer, now: datetime) -> bool:
    return payer.since <= now and (payer.end is None or now < payer.end)
