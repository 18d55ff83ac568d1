"""Summaries and the items that charge them, computed again from the recorded usage, a few summaries at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.by_time import by_time_differences
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.level_books import LevelBooks
from usage_billing.reports.verify.levels import LevelProof
from usage_billing.reports.verify.meters import MeterProof
from usage_billing.reports.verify.periods import derive
from usage_billing.reports.verify.proof import Proof
from usage_billing.reports.verify.quantities import quantity_differences
from usage_billing.reports.verify.terms import Catalogue, load_agreements

_FETCH = 5_000
_SUMMARIES = text(
    """
    SELECT s.*, q.monthly_limit, q.price, p.currency, y.of, y.aggregation,
        EXISTS (SELECT FROM quantity_definitions AS d WHERE d.usage_type_id = s.usage_type_id) AS makes,
        EXISTS (
            SELECT FROM meter_definitions AS d WHERE d.usage_type_id = s.usage_type_id AND d.per IS NOT NULL
        ) AS goes_on,
        coalesce(c.covered, 0) AS covered
    FROM usage_summaries AS s
    LEFT JOIN covered_summaries AS c ON c.summary_id = s.id
    JOIN usage_types AS y ON y.id = s.usage_type_id
    JOIN subscriptions AS a ON a.id = s.subscription_id JOIN plans AS p ON p.id = a.plan_id
    LEFT JOIN usage_quotas AS q ON q.id = s.quota_id WHERE s.id = ANY(CAST(:ids AS bigint[])) ORDER BY s.id
    """
)
_ITEMS = text(
    """
    SELECT t.*, i.status, i.currency, i.subscription_id, q.price AS quota_price
    FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
    LEFT JOIN usage_quotas AS q ON q.id = t.quota_id
    WHERE t.summary_id = ANY(CAST(:ids AS bigint[])) ORDER BY t.summary_id, i.number NULLS LAST, t.id
    """
)
_USAGE = text(
    """
    SELECT u.summary_id, u.id, u.ordinal, u.quantity, u.beyond_limit, u.occurred_at, u.subscription_id,
        u.usage_type_id, u.made, v.ordinal AS void
    FROM usage AS u LEFT JOIN usage_voids AS v ON v.usage_id = u.id
    WHERE u.summary_id = ANY(CAST(:ids AS bigint[])) ORDER BY u.summary_id, u.ordinal
    """
)


def summary_differences(session: Session, ids: Sequence[int], catalogue: Catalogue) -> Iterator[Difference]:
    """What is wrong with these summaries, their recordings' marks, and the items that charge them."""
    rows = session.execute(_SUMMARIES, {"ids": list(ids)})
    proofs = {row.id: _proof_of(row) for row in rows}
    for item in session.execute(_ITEMS, {"ids": list(ids)}):
        proofs[item.summary_id].expect(item)
    for row in session.execute(_USAGE, {"ids": list(ids)}, execution_options={"yield_per": _FETCH}):
        proofs[row.summary_id].add(row)
    agreements = load_agreements(session, {proof.summary.subscription_id for proof in proofs.values()})
    follows = derive(session, [proof.summary for proof in proofs.values()], catalogue, agreements)
    levels, books = [proof for proof in proofs.values() if isinstance(proof, LevelProof)], LevelBooks(session)
    # One level after the other: the recordings of each are read once for all its summaries.
    for level in sorted(levels, key=lambda level: (level.summary.subscription_id, level.summary.usage_type_id)):
        agreement = agreements.get(level.summary.subscription_id)
        level.next_start = None if agreement is None else agreement.runs_at(level.summary.period_end)
        level.count(session, follows.get(level.summary.id), books)
    for proof in proofs.values():
        if isinstance(proof, MeterProof):
            proof.count(session, follows.get(proof.summary.id))
    for proof in proofs.values():
        yield from proof.totals()
        yield from proof.terms(follows.get(proof.summary.id))
        yield from proof.charges(follows.get(proof.summary.id))
    yield from by_time_differences(session, ids)
    yield from quantity_differences(session, ids)


def _proof_of(summary: Any) -> Proof:
    if summary.of is None:
        return Proof(summary)
    return LevelProof(summary) if summary.goes_on else MeterProof(summary)
