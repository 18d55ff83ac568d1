"""Summaries and the items that charge them, computed again from the recorded usage, a few summaries at a time."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from usage_billing.reports.verify.by_time import by_time_differences
from usage_billing.reports.verify.difference import Difference
from usage_billing.reports.verify.facts import OWNER
from usage_billing.reports.verify.level_books import LevelBooks
from usage_billing.reports.verify.levels import LevelProof
from usage_billing.reports.verify.meters import MeterProof
from usage_billing.reports.verify.periods import derive
from usage_billing.reports.verify.proof import Proof
from usage_billing.reports.verify.proven import prove
from usage_billing.reports.verify.quantities import quantity_differences
from usage_billing.reports.verify.recorded import Recorded
from usage_billing.reports.verify.terms import Catalogue, load_agreements

_FETCH = 5_000
_SUMMARIES = text(
    f"""
    SELECT s.*, CAST(q.price AS text) AS price, p.currency, y.of, y.aggregation,
        EXISTS (SELECT FROM quantity_definitions AS d WHERE d.usage_type_id = s.usage_type_id) AS makes,
        EXISTS (
            SELECT FROM meter_definitions AS d WHERE d.usage_type_id = s.usage_type_id AND d.per IS NOT NULL
        ) AS goes_on,
        coalesce(c.covered, 0) AS covered, {OWNER} AS owner
    FROM usage_summaries AS s
    LEFT JOIN covered_summaries AS c ON c.summary_id = s.id
    JOIN usage_types AS y ON y.id = s.usage_type_id
    JOIN subscriptions AS a ON a.id = s.subscription_id JOIN plans AS p ON p.id = a.plan_id
    LEFT JOIN usage_quotas AS q ON q.id = s.quota_id WHERE s.id = ANY(CAST(:ids AS bigint[])) ORDER BY s.id
    """  # noqa: S608
)
_ITEMS = text(
    """
    SELECT t.id, t.summary_id, t.cell, t.usage_type_id, t.period_start, t.total, t.billable, t.quantity,
        t.charged_before, t.amount, t.allowance, t.covered, t.events, t.billable_events, t.voids, t.events_hash,
        t.before_quantity, t.before_recordings, t.before_amount, t.sources, CAST(t.price AS text) AS price,
        CAST(t.rated_price AS text) AS rated_price, CAST(q.price AS text) AS quota_price, i.status, i.currency,
        i.subscription_id
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
_OF_NONE = text("SELECT id FROM usage WHERE summary_id = ANY(CAST(:ids AS bigint[]))")


def summary_differences(
    session: Session, ids: Sequence[int], catalogue: Catalogue, recorded: Recorded
) -> Iterator[Difference]:
    """What is wrong with these summaries, their recordings' marks, and the items that charge them.

    ``ids`` are the next ones in their order.
    """
    rows = session.execute(_SUMMARIES, {"ids": list(ids), "seed": recorded.seed}).all()
    proofs = {row.id: _proof_of(row) for row in rows}
    for item in session.execute(_ITEMS, {"ids": list(ids)}).all():
        proofs[item.summary_id].expect(item)
    facts = {row.summary_id: row for row in recorded.stream.up_to(ids[-1])}
    yield from _orphans(session, facts.keys() - proofs.keys())
    unproven = prove(session, {id: proofs[id] for id in facts if id in proofs}, facts, recorded.seed)
    for row in session.execute(_USAGE, {"ids": unproven}, execution_options={"yield_per": _FETCH}):
        proofs[row.summary_id].add(row)
    agreements = load_agreements(session, {proof.summary.subscription_id for proof in proofs.values()})
    books = LevelBooks(session)
    follows = derive(session, [proof.summary for proof in proofs.values()], catalogue, agreements, books=books)
    levels = [proof for proof in proofs.values() if isinstance(proof, LevelProof)]
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


def orphans(session: Session, recorded: Recorded) -> Iterator[Difference]:
    """Recordings of no summary that are left when the last summary was looked at."""
    yield from _orphans(session, {row.summary_id for row in recorded.stream.up_to(None)})


def _orphans(session: Session, summaries: Collection[int]) -> Iterator[Difference]:
    for id in session.scalars(_OF_NONE, {"ids": sorted(summaries)}) if summaries else ():
        yield Difference("usage_orphan", f"record:{id}", "this recording belongs to no summary")


def _proof_of(summary: Any) -> Proof:
    if summary.of is None:
        return Proof(summary)
    return LevelProof(summary) if summary.goes_on else MeterProof(summary)
