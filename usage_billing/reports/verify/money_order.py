"""Which of several grants in money paid, looked at once more from the ledger alone: none that comes later paid first.

A charge is not reckoned again here. What a grant had left in the end it had when another one paid, and all that came
before that and might have wanted it is posted by now. Where usage was taken back, a charge fell or an invoice is void,
a grant may have been left something that was not free before: there nothing is said.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.drawn_words import HOLDS, NOTHING, Payer, Place, Wants

_WALLETS = text("""
    SELECT w.id, w.customer_id FROM wallets AS w
    WHERE w.currency IS NOT NULL AND (CAST(:only AS text) IS NULL OR EXISTS (
            SELECT FROM subscriptions WHERE id = :only AND customer_id = w.customer_id))
        AND (SELECT count(DISTINCT d.grant_id) FROM wallet_draws AS d WHERE d.wallet_id = w.id) > 0
    ORDER BY w.id
""")
# A grant that carries over, or is carried over, has another amount at each moment.
_GRANTS = text("""
    SELECT g.*, o.id AS opening
    FROM wallet_grants AS g
    CROSS JOIN LATERAL (
        SELECT min(id) AS id FROM wallet_transfers WHERE grant_id = g.id AND kind IN ('sold', 'given')) AS o
    WHERE g.wallet_id = :wallet AND g.activated_at IS NOT NULL AND g.category <> 'rollover' AND g.rolled_over = 0
        AND g.kept_in IS NULL AND NOT EXISTS (SELECT FROM wallet_grants AS r WHERE r.rolls_from = g.id)
""")
_TRANSFERS = text("""
    SELECT id, grant_id, kind, amount, at, debit, coalesce(summary_id, 0) AS summary_id, coalesce(fee_id, 0) AS fee_id,
        window_start
    FROM wallet_transfers WHERE wallet_id = :wallet ORDER BY id
""")
_CHARGED = text("""
    WITH causes AS (
        SELECT s.id AS summary_id, 0 AS fee_id, s.subscription_id, s.usage_type_id, s.period_start, s.period_end,
            s.to_rate, s.voids
        FROM usage_summaries AS s JOIN subscriptions AS a ON a.id = s.subscription_id
        WHERE a.customer_id = :customer
        UNION ALL
        SELECT 0, f.id, f.subscription_id, '', f.period_start, f.period_end, f.to_charge, 0
        FROM fee_charges AS f JOIN subscriptions AS a ON a.id = f.subscription_id
        WHERE a.customer_id = :customer
    )
    SELECT c.*, i.charged, i.is_open, c.voids > 0 OR i.fell AS disturbed,
        (SELECT coalesce(sum(d.posted), 0) FROM wallet_draws AS d
            WHERE (coalesce(d.summary_id, 0), coalesce(d.fee_id, 0)) = (c.summary_id, c.fee_id)) AS posted
    FROM causes AS c
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(t.amount) FILTER (WHERE v.status <> 'void'), 0) AS charged,
            coalesce(bool_or(v.status = 'draft'), false) OR c.to_rate AS is_open,
            coalesce(bool_or(t.amount < 0 OR v.status = 'void'), false) AS fell
        FROM usage_invoice_items AS t JOIN invoices AS v ON v.id = t.invoice_id
        WHERE (coalesce(t.summary_id, 0), coalesce(t.fee_id, 0)) = (c.summary_id, c.fee_id)
    ) AS i
""")


@dataclass(slots=True)
class _Book:
    """A wallet in money: its grants, what moved, in groups that were posted together, and what its customer is charged.

    ``left`` is what is in each grant after the groups that were looked at.
    """

    payers: dict[UUID, Payer] = field(default_factory=dict)
    openings: dict[UUID, int] = field(default_factory=dict)
    groups: list[list[Any]] = field(default_factory=list)
    causes: dict[tuple[int, int], Any] = field(default_factory=dict)
    left: dict[UUID, Fraction] = field(default_factory=dict)


def money_order_differences(session: Session, only: str | None) -> Iterator[Difference]:
    """Where a grant in money paid while one that comes first had something; of one subscription its customer's."""
    for row in session.execute(_WALLETS, {"only": only}).all():
        book = _Book()
        for grant in session.execute(_GRANTS, {"wallet": row.id}):
            book.payers[grant.id], book.openings[grant.id] = Payer.of(grant, Fraction(grant.amount)), grant.opening
        for one in session.execute(_TRANSFERS, {"wallet": row.id}):
            if not book.groups or book.groups[-1][0].at != one.at:
                book.groups.append([])
            book.groups[-1].append(one)
        for cause in session.execute(_CHARGED, {"customer": row.customer_id}):
            book.causes[cause.summary_id, cause.fee_id] = cause
        for number, group in enumerate(book.groups):
            for one in group:
                into = one.debit == "grant"
                moved = Fraction(one.amount) if into else -Fraction(one.amount)
                book.left[one.grant_id] = book.left.get(one.grant_id, NOTHING) + moved
            for one in group:
                if one.kind == "used" and one.grant_id in book.payers:
                    yield from _passed_over(book, number, one)


def _passed_over(book: _Book, number: int, one: Any) -> Iterator[Difference]:
    cause, took = book.causes[one.summary_id, one.fee_id], book.payers[one.grant_id]
    start = one.window_start
    wants = Wants(Place(one.summary_id, start), cause.subscription_id, cause.usage_type_id, NOTHING)
    turn = took.round_for(wants)
    if turn is None:
        return  # told as out of scope or time
    for other in sorted(book.payers.values(), key=lambda payer: payer.turn):
        its = other.round_for(wants)
        if its is None or (its, other.turn) >= (turn, took.turn) or book.openings[other.id] > one.id:
            continue
        if other.closes_at is not None and other.closes_at <= one.at:
            continue
        if not other.was_there(took.closes_at):
            continue  # what came to close was settled then, whatever was made before it was closed
        rivals = [rival for rival in book.causes.values() if _may_want(other, rival, start, holds=its == HOLDS)]
        if any(rival.disturbed or (other.active and rival.is_open) for rival in rivals):
            continue
        free = book.left.get(other.id, NOTHING) - _later(book.groups[number + 1 :], other, start, holds=its == HOLDS)
        if other.active:
            free -= sum((max(Fraction(rival.charged) - Fraction(rival.posted), NOTHING) for rival in rivals), NOTHING)
        if free > 0:
            of = f"summary {one.summary_id}" if one.summary_id else f"fee {one.fee_id}"
            told = Decimal(free.numerator) / Decimal(free.denominator)
            message = f"it paid for {of}, while {told:f} were free of {other.id}, which comes first"
            yield Difference("wallet_order", f"grant:{took.id}", message)
            return


def _may_want(other: Payer, rival: Any, start: datetime, *, holds: bool) -> bool:
    """Whether a charge may have wanted that grant before what begins at ``start`` did."""
    row = Wants(Place(rival.summary_id, rival.period_start), rival.subscription_id, rival.usage_type_id, NOTHING)
    since = min(other.since, other.back_to or other.since)
    before = rival.period_start <= start or not holds
    return other.is_for(row) and before and rival.period_end > since


def _later(groups: Sequence[Sequence[Any]], other: Payer, start: datetime, *, holds: bool) -> Fraction:
    """What a grant paid afterwards for what had its turn before."""
    return sum(
        (
            Fraction(one.amount)
            for group in groups
            for one in group
            if one.grant_id == other.id and one.kind == "used" and (one.window_start <= start or not holds)
        ),
        NOTHING,
    )
