"""What final invoices say that grants in money paid: a row for each cause and grant, which is only ever added to.

Rows of void invoices count no more, so what one said comes again on the next.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from usage_billing.db.rows import read_rows
from usage_billing.drawing.models import PrepaidItem
from usage_billing.invoicing.models import Invoice
from usage_billing.invoicing.prepaid import PayableCause, PrepaidLines, parts_of
from usage_billing.invoicing.taxable import Taxations
from usage_billing.prepaid.burn_down import Cause

_APPLIED = text("""
    SELECT coalesce(p.summary_id, 0) AS summary_id, coalesce(p.fee_id, 0) AS fee_id, p.grant_id, sum(p.amount) AS amount
    FROM invoice_prepaid AS p
    JOIN invoices AS i ON i.id = p.invoice_id
    WHERE (p.summary_id = ANY(CAST(:summaries AS bigint[])) OR p.fee_id = ANY(CAST(:fees AS bigint[])))
        AND i.status <> 'void'
    GROUP BY 1, 2, 3
""")
_ON_DRAFTS = text("""
    SELECT coalesce(t.summary_id, 0) AS summary_id, coalesce(t.fee_id, 0) AS fee_id, t.invoice_id, i.subscription_id,
        t.usage_type_id, f.plan_id, t.period_end
    FROM usage_invoice_items AS t
    JOIN invoices AS i ON i.id = t.invoice_id
    LEFT JOIN fee_charges AS f ON f.id = t.fee_id
    WHERE t.invoice_id = ANY(CAST(:ids AS uuid[])) AND t.purchase_id IS NULL
""")
# Charged on invoices that are final, and on no draft.
_SETTLED = text("""
    SELECT s.id AS summary_id, 0 AS fee_id, CAST(NULL AS uuid) AS invoice_id, s.subscription_id, s.usage_type_id,
        NULL AS plan_id, s.period_end
    FROM usage_summaries AS s
    WHERE s.id = ANY(CAST(:summaries AS bigint[])) AND s.subscription_id = ANY(CAST(:subscriptions AS text[]))
        AND s.bills_at <= :ended_before AND (CAST(:foreseen AS boolean) OR NOT s.to_rate AND NOT EXISTS (
            SELECT FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
            WHERE t.summary_id = s.id AND i.status = 'draft'))
    UNION ALL
    SELECT 0, f.id, NULL, f.subscription_id, NULL, f.plan_id, f.period_end
    FROM fee_charges AS f
    WHERE f.id = ANY(CAST(:fees AS bigint[])) AND f.subscription_id = ANY(CAST(:subscriptions AS text[]))
        AND f.bills_at <= :ended_before AND (CAST(:foreseen AS boolean) OR NOT f.to_charge AND NOT EXISTS (
            SELECT FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
            WHERE t.fee_id = f.id AND i.status = 'draft'))
""")

_SAID = text("""
    SELECT coalesce(p.summary_id, 0) AS summary_id, coalesce(p.fee_id, 0) AS fee_id, p.grant_id, sum(p.amount) AS amount
    FROM invoices AS i JOIN invoice_prepaid AS p ON p.invoice_id = i.id
    WHERE i.subscription_id = ANY(CAST(:subscriptions AS text[])) AND i.status <> 'void'
    GROUP BY 1, 2, 3
    HAVING sum(p.amount) <> 0
""")
# Of what is charged together with each of these causes: what stands on final invoices and these drafts, and what grants
# paid of it on final ones.
_CHARGED = text("""
    WITH asked AS (
        SELECT s.id AS summary_id, 0 AS fee_id, s.subscription_id, s.usage_type_id, s.bills_at,
            ARRAY(SELECT g.id FROM usage_summaries AS g WHERE g.subscription_id = s.subscription_id
                AND g.usage_type_id = s.usage_type_id AND g.bills_at = s.bills_at) AS summaries,
            CAST(ARRAY[] AS bigint[]) AS fees
        FROM usage_summaries AS s
        WHERE s.id = ANY(CAST(:summaries AS bigint[]))
        UNION ALL
        SELECT 0, f.id, f.subscription_id, '', f.period_start, CAST(ARRAY[] AS bigint[]),
            ARRAY(SELECT g.id FROM fee_charges AS g WHERE g.subscription_id = f.subscription_id
                AND g.period_start = f.period_start)
        FROM fee_charges AS f
        WHERE f.id = ANY(CAST(:fees AS bigint[]))
    )
    SELECT a.summary_id, a.fee_id, a.subscription_id, a.usage_type_id, a.bills_at,
        (SELECT coalesce(sum(t.amount), 0) FROM usage_invoice_items AS t JOIN invoices AS i ON i.id = t.invoice_id
            WHERE (t.summary_id = ANY(a.summaries) OR t.fee_id = ANY(a.fees))
                AND (i.status NOT IN ('draft', 'void') OR i.id = ANY(CAST(:drafts AS uuid[]))))
        - (SELECT coalesce(sum(p.amount), 0) FROM invoice_prepaid AS p JOIN invoices AS i ON i.id = p.invoice_id
            WHERE (p.summary_id = ANY(a.summaries) OR p.fee_id = ANY(a.fees)) AND i.status <> 'void') AS unpaid
    FROM asked AS a
""")

Applied = dict[tuple[Cause, UUID], Decimal]
"""What a grant paid of a cause."""

ChargedTogether = tuple[str, str, datetime]
"""A subscription, a usage type (of a fee none) and when it is billed: what is charged of that is one charge."""


def unpaid_of(
    session: Session, causes: Collection[Cause], draft_ids: Collection[UUID]
) -> dict[Cause, tuple[ChargedTogether, Decimal]]:
    """What each of these causes is charged with, and what of that final invoices did not say to be paid beforehand.

    It is charged on final invoices that stand, and on these drafts.
    """
    found = session.execute(_CHARGED, {**_asked(causes), "drafts": list(draft_ids)})
    return {
        Cause(row.summary_id, row.fee_id): ((row.subscription_id, row.usage_type_id, row.bills_at), row.unpaid)
        for row in found
    }


def applied_before(session: Session, causes: Collection[Cause]) -> Applied:
    """What grants paid of these causes on final invoices that stand."""
    found = session.execute(_APPLIED, _asked(causes))
    return {(Cause(row.summary_id, row.fee_id), row.grant_id): row.amount for row in found}


def applied_to(session: Session, subscription_ids: Collection[str]) -> Applied:
    """What grants paid on final invoices of these subscriptions that stand."""
    found = session.execute(_SAID, {"subscriptions": list(subscription_ids)})
    return {(Cause(row.summary_id, row.fee_id), row.grant_id): row.amount for row in found}


def _asked(causes: Collection[Cause]) -> dict[str, list[int]]:
    return {
        "summaries": [cause.summary_id for cause in causes if cause.summary_id > 0],
        "fees": [cause.fee_id for cause in causes if cause.fee_id],
    }


def causes_on(session: Session, draft_ids: Collection[UUID]) -> list[PayableCause]:
    """What these drafts charge for."""
    return read_rows(session.execute(_ON_DRAFTS, {"ids": list(draft_ids)}), PayableCause)


def settled_causes(
    session: Session,
    causes: Collection[Cause],
    subscription_ids: Collection[str],
    *,
    ended_before: datetime,
    foreseen: bool = False,
) -> list[PayableCause]:
    """Those of these causes that were invoiced, and are on no draft.

    ``foreseen``: the caller has charged them in memory and leaves out what stands on drafts there, so stored drafts and
    what is still to be charged say nothing.
    """
    asked: dict[str, object] = {
        **_asked(causes),
        "subscriptions": list(subscription_ids),
        "ended_before": ended_before,
        "foreseen": foreseen,
    }
    return read_rows(session.execute(_SETTLED, asked), PayableCause)


def keep_prepaid(session: Session, prepaid: PrepaidLines, taxations: Taxations) -> None:
    """Keep what grants pay of drafts that become final, and how it is taxed."""
    rows: list[dict[str, object]] = []
    for invoice_id, lines in prepaid.items():
        taxation = taxations.of(invoice_id)
        for line in lines:
            tax = None if taxation is None else taxation.items.get(line.id)
            rows.append(
                {
                    "invoice_id": invoice_id,
                    "wallet_id": line.wallet_id,
                    "grant_id": line.grant_id,
                    "summary_id": line.of.summary_id or None,
                    "fee_id": line.of.fee_id or None,
                    "amount": line.amount,
                    "tax_category": None if tax is None else tax.category,
                    "tax_country": None if tax is None else tax.country,
                    "tax_rate": None if tax is None else tax.rate,
                }
            )
    if rows:
        session.execute(insert(PrepaidItem), rows)


def paid_with(session: Session, invoice_id: UUID) -> Applied:
    """What each grant paid of each cause on a final invoice."""
    found = session.scalars(select(PrepaidItem).where(PrepaidItem.invoice_id == invoice_id))
    return {(Cause(row.summary_id or 0, row.fee_id or 0), row.grant_id): row.amount for row in found}


def show_prepaid(session: Session, invoices: Sequence[Invoice]) -> None:
    """Put on these final invoices which grants paid what."""
    paid = {invoice.id: invoice for invoice in invoices if invoice.number is not None}
    if not paid:
        return
    rows = session.scalars(select(PrepaidItem).where(PrepaidItem.invoice_id.in_(paid)).order_by(PrepaidItem.id)).all()
    for id in {row.invoice_id for row in rows}:
        paid[id].prepaid = parts_of((row.wallet_id, row.grant_id, row.amount) for row in rows if row.invoice_id == id)
