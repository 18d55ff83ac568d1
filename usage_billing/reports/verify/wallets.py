"""Wallets: grants and draws are the sums of the ledger, costs add up, and nothing was paid for out of scope or time."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any

from iso4217 import Currency
from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference

_OF = (
    "CAST(:only AS text) IS NULL OR EXISTS (SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id)"
)
_GRANTS = text(
    f"""
    SELECT g.id, g.posted, g.expired, g.taken_back, g.refunded, g.rolled_over, g.amount, g.cost, g.status,
        g.activated_at, g.category = 'rollover' AS is_carried, t.*
    FROM wallet_grants AS g
    JOIN wallets AS w ON w.id = g.wallet_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE kind IN ('sold', 'given')) AS openings,
            coalesce(sum(amount) FILTER (WHERE kind IN ('sold', 'given')), 0) AS granted,
            coalesce(sum(cost) FILTER (WHERE kind IN ('sold', 'given')), 0) AS paid,
            coalesce(sum(CASE kind WHEN 'used' THEN amount WHEN 'returned' THEN -amount END), 0) AS used,
            coalesce(sum(amount) FILTER (WHERE kind = 'expired'), 0) AS gone,
            coalesce(sum(amount) FILTER (WHERE kind = 'taken_back'), 0) AS back,
            coalesce(sum(amount) FILTER (WHERE kind = 'refunded'), 0) AS returned,
            coalesce(sum(CASE kind WHEN 'rolled_out' THEN amount WHEN 'rolled_back' THEN -amount END), 0) AS over,
            coalesce(sum(CASE kind WHEN 'rolled_in' THEN amount WHEN 'rolled_off' THEN -amount END), 0) AS from_other,
            coalesce(sum(CASE kind WHEN 'rolled_in' THEN cost WHEN 'rolled_off' THEN -cost END), 0) AS cost_of_other
        FROM wallet_transfers WHERE grant_id = g.id AND wallet_id = g.wallet_id
    ) AS t
    WHERE {_OF}
    """  # noqa: S608
)
_DRAWS = text(
    f"""
    SELECT coalesce(d.grant_id, t.grant_id) AS grant_id, coalesce(d.summary_id, t.summary_id) AS summary_id,
        coalesce(d.fee_id, t.fee_id) AS fee_id, coalesce(d.posted, 0) AS posted, coalesce(t.used, 0) AS used
    FROM (SELECT *, coalesce(summary_id, 0) AS summary, coalesce(fee_id, 0) AS fee FROM wallet_draws) AS d FULL JOIN (
        SELECT grant_id, summary_id, fee_id, coalesce(summary_id, 0) AS summary, coalesce(fee_id, 0) AS fee,
            window_start, sum(CASE kind WHEN 'used' THEN amount WHEN 'returned' THEN -amount END) AS used
        FROM wallet_transfers WHERE window_start IS NOT NULL GROUP BY 1, 2, 3, window_start
    ) AS t ON (t.grant_id, t.summary, t.fee, t.window_start) = (d.grant_id, d.summary, d.fee, d.window_start)
    JOIN wallet_grants AS g ON g.id = coalesce(d.grant_id, t.grant_id) JOIN wallets AS w ON w.id = g.wallet_id
    WHERE coalesce(d.posted, 0) <> coalesce(t.used, 0) AND ({_OF})
    """  # noqa: S608
)
_ASTRAY = text(
    f"""
    SELECT d.grant_id, d.summary_id FROM wallet_draws AS d
    JOIN wallet_grants AS g ON g.id = d.grant_id JOIN wallets AS w ON w.id = g.wallet_id
    JOIN usage_summaries AS s ON s.id = d.summary_id JOIN subscriptions AS a ON a.id = s.subscription_id
    WHERE ({_OF}) AND NOT (
        d.wallet_id = w.id AND a.customer_id = w.customer_id AND coalesce(w.subscription_id, a.id) = a.id
        AND CASE WHEN w.currency IS NULL
            THEN s.usage_type_id IN (SELECT usage_type_id FROM wallet_scopes WHERE wallet_id = w.id)
            ELSE w.currency = (SELECT currency FROM plans WHERE id = a.plan_id) END
        AND (g.usage_types IS NULL OR s.usage_type_id = ANY (g.usage_types))
        AND (g.subscription_ids IS NULL OR a.id = ANY (g.subscription_ids))
        AND d.window_start >= s.period_start AND d.window_start < s.period_end
        AND (d.window_start >= coalesce(g.covers_since, g.effective_at)
            OR EXISTS (SELECT FROM wallet_grants AS o WHERE o.wallet_id = w.id AND o.category = 'overdraft'
                AND d.window_start >= o.effective_at))
        AND d.window_start < coalesce(least(g.expires_at, g.reset_at), 'infinity')
    )
    """  # noqa: S608
)
_FEES_ASTRAY = text(
    f"""
    SELECT d.grant_id, d.fee_id FROM wallet_draws AS d
    JOIN wallet_grants AS g ON g.id = d.grant_id JOIN wallets AS w ON w.id = g.wallet_id
    JOIN fee_charges AS f ON f.id = d.fee_id JOIN subscriptions AS a ON a.id = f.subscription_id
    WHERE ({_OF}) AND NOT (
        d.wallet_id = w.id AND w.fees AND a.customer_id = w.customer_id AND coalesce(w.subscription_id, a.id) = a.id
        AND w.currency = (SELECT currency FROM plans WHERE id = a.plan_id)
        AND g.usage_types IS NULL AND (g.subscription_ids IS NULL OR a.id = ANY (g.subscription_ids))
        AND d.window_start = f.period_start AND d.window_start >= coalesce(g.covers_since, g.effective_at)
        AND d.window_start < coalesce(least(g.expires_at, g.reset_at), 'infinity')
    )
    """  # noqa: S608
)
_BOUGHT = text(
    f"""
    SELECT t.id, t.grant_id, t.kind, t.amount, t.cost, g.cost_currency,
        CASE g.category WHEN 'rollover' THEN 0 ELSE g.cost END AS whole,
        CASE g.category WHEN 'rollover' THEN 0 ELSE g.amount END AS units
    FROM wallet_transfers AS t JOIN wallet_grants AS g ON g.id = t.grant_id JOIN wallets AS w ON w.id = g.wallet_id
    WHERE {_OF} ORDER BY t.grant_id, t.id
    """  # noqa: S608
)
_PAST = text(
    f"""
    SELECT w.id, p.sums AS kept, g.sums AS found
    FROM wallets AS w
    LEFT JOIN (SELECT wallet_id, ARRAY[grants, granted, posted, expired, taken_back, refunded, rolled_over] AS sums
        FROM past_grants WHERE grants > 0) AS p ON p.wallet_id = w.id
    LEFT JOIN (SELECT wallet_id, ARRAY[count(*), sum(amount), sum(posted), sum(expired), sum(taken_back), sum(refunded),
            sum(rolled_over)] AS sums
        FROM wallet_grants WHERE status IN ('closed', 'void') AND activated_at IS NOT NULL
        GROUP BY 1) AS g ON g.wallet_id = w.id
    WHERE p.sums IS DISTINCT FROM g.sums AND ({_OF})
    ORDER BY 1
    """  # noqa: S608
)
_NOTHING = Fraction(0)


def wallet_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """What is wrong with wallets; of one subscription with those of its customer."""
    for row in session.execute(_GRANTS, {"only": only}):
        yield from _grant(row)
    for row in session.execute(_DRAWS, {"only": only}):
        of = f"summary {row.summary_id}" if row.fee_id is None else f"fee {row.fee_id}"
        message = f"{row.posted} of {of} is posted, its transfers give {row.used}"
        yield Difference("wallet_draw", f"grant:{row.grant_id}", message)
    for row in session.execute(_ASTRAY, {"only": only}):
        message = f"it paid for summary {row.summary_id}, which it is not for, or not then"
        yield Difference("wallet_scope", f"grant:{row.grant_id}", message)
    for row in session.execute(_FEES_ASTRAY, {"only": only}):
        message = f"it paid for fee {row.fee_id}, which it is not for, or not then"
        yield Difference("wallet_scope", f"grant:{row.grant_id}", message)
    for row in session.execute(_PAST, {"only": only}):
        message = f"its closed grants come to {_said(row.found)}, kept is {_said(row.kept)}"
        yield Difference("wallet_past", f"wallet:{row.id}", message)
    yield from _costs(session, only)


def _said(sums: Sequence[Decimal] | None) -> str:
    """How many they are, had, paid for, expired, was taken back, refunded and carried over."""
    return "nothing" if sums is None else " ".join(f"{one.normalize():f}" for one in sums)


def _grant(row: Any) -> Iterator[Difference]:
    counts = row.activated_at is not None
    if row.is_carried:
        if (row.amount, row.cost, row.openings) != (row.from_other, row.cost_of_other, 0):
            message = f"it has {row.amount} for {row.cost}, and {row.from_other} was carried over to it"
            message = f"{message} for {row.cost_of_other}"
            yield Difference("wallet_grant", f"grant:{row.id}", message)
    elif (row.openings, row.granted, row.paid) != ((1, row.amount, row.cost) if counts else (0, 0, 0)):
        message = f"it has {row.amount} for {row.cost}, {row.openings} transfers gave {row.granted} for {row.paid}"
        yield Difference("wallet_grant", f"grant:{row.id}", message)
    for name, stands, should in (
        ("posted", row.posted, row.used),
        ("expired", row.expired, row.gone),
        ("taken back", row.taken_back, row.amount if row.status == "void" and not counts else row.back),
        ("refunded", row.refunded, row.returned),
        ("carried over", row.rolled_over, row.over),
    ):
        if stands != should:
            message = f"{stands} of it is {name}, its transfers give {should}"
            yield Difference("wallet_grant", f"grant:{row.id}", message)


def _costs(session: Session, only: str | None) -> Iterator[Difference]:
    """Each transfer moves what the rounded running cost of its grant changes by.

    What is carried over has by then what was carried over to it, and what that cost.
    """
    grant, out, whole, units = None, _NOTHING, _NOTHING, _NOTHING
    for row in session.execute(_BOUGHT, {"only": only}):
        if row.grant_id != grant:
            grant, out, whole, units = row.grant_id, _NOTHING, Fraction(row.whole), Fraction(row.units)
        if row.kind in ("rolled_in", "rolled_off"):
            sign = 1 if row.kind == "rolled_in" else -1
            whole, units = whole + sign * Fraction(row.cost), units + sign * Fraction(row.amount)
        if row.kind in ("sold", "given", "rolled_in", "rolled_off"):
            continue
        after = out + (-1 if row.kind in ("returned", "rolled_back") else 1) * Fraction(row.amount)
        places = (Currency(row.cost_currency).exponent or 0) if row.cost_currency else 0
        should = abs(_cost(whole, units, after, places) - _cost(whole, units, out, places))
        out = after
        if Fraction(row.cost) != should:
            message = f"it moves a cost of {row.cost}, not {Decimal(should.numerator) / Decimal(should.denominator)}"
            yield Difference("wallet_cost", f"transfer:{row.id}", message)


def _cost(whole: Fraction, units: Fraction, out: Fraction, places: int) -> Fraction:
    if not whole or not units:
        return _NOTHING
    return Fraction(floor(whole * out / units * 10**places + Fraction(1, 2)), 10**places)
