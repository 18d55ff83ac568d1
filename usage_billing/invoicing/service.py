"""Writes invoices, many in one statement: it adds drafts, totals them, and finalizes them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from usage_billing.core.periods import Period
from usage_billing.db.bulk import copy_rows
from usage_billing.invoicing.lifecycle import InvoiceKind, InvoiceStatus
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem
from usage_billing.rating.tax.sums import ItemTax

_TOTALS = text("""
    UPDATE invoices AS i
    SET total = s.total
    FROM (
        SELECT d.id, coalesce(sum(t.amount), 0) AS total
        FROM unnest(CAST(:ids AS uuid[])) AS d (id)
        LEFT JOIN usage_invoice_items AS t ON t.invoice_id = d.id
        GROUP BY d.id
    ) AS s
    WHERE i.id = s.id AND i.total <> s.total
""")
_REMOVE_EMPTY = text("""
    DELETE FROM invoices AS i
    WHERE i.id = ANY(CAST(:ids AS uuid[]))
        AND i.status = 'draft'
        AND NOT EXISTS (SELECT FROM usage_invoice_items WHERE invoice_id = i.id)
""")
_REMOVE = text("DELETE FROM invoices WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'draft'")
# What credit settles whole is paid. Where nothing is left to pay there is no day by which to pay it. Who bills whom is
# copied: that may change later, and the invoice may not.
_FINALIZE = text("""
    UPDATE invoices AS i
    SET number = v.number, finalized_at = :now, credit_applied = v.credit, tax = v.tax, taxes = CAST(v.taxes AS jsonb),
        prepaid_applied = v.prepaid,
        status = CASE WHEN v.credit = i.total + v.tax - v.prepaid THEN 'paid' ELSE 'finalized' END,
        paid_at = CASE WHEN v.credit = i.total + v.tax - v.prepaid THEN CAST(:now AS timestamptz) END,
        due_at = CASE WHEN v.credit < i.total + v.tax - v.prepaid THEN v.due_at END,
        seller = (SELECT said FROM sellers WHERE id = :seller),
        buyer = (
            SELECT jsonb_build_object('userId', c.id, 'name', c.name, 'legalName', c.legal_name, 'address', c.address,
                'taxId', c.tax_id, 'email', c.email, 'language', c.language, 'buyerReference', c.buyer_reference)
                || CASE WHEN c.tax_exempt THEN jsonb_build_object('taxExempt', true) ELSE '{}' END
            FROM customers AS c
            WHERE c.id = i.customer_id
        )
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:dues AS timestamptz[]),
        CAST(:credits AS numeric[]), CAST(:tax AS numeric[]), CAST(:taxes AS text[]), CAST(:prepaid AS numeric[]))
        AS v (id, number, due_at, credit, tax, taxes, prepaid)
    WHERE i.id = v.id AND i.status = 'draft'
    RETURNING i.id, i.number, i.status, i.finalized_at, i.paid_at, i.due_at, i.credit_applied, i.tax, i.taxes,
        i.prepaid_applied, i.seller, i.buyer
""")


_TAX_ITEMS = text("""
    UPDATE usage_invoice_items AS t
    SET tax_category = v.category, tax_country = v.country, tax_rate = v.rate
    FROM unnest(CAST(:ids AS uuid[]), CAST(:categories AS text[]), CAST(:countries AS text[]),
        CAST(:rates AS numeric[])) AS v (id, category, country, rate)
    WHERE t.id = v.id
""")


class NewDraft(NamedTuple):
    """A draft to be written, its times as texts; ``closes_at`` is when it is due to be finalized."""

    id: UUID
    customer_id: str
    subscription_id: str | None
    kind: str
    currency: str
    period_start: str
    period_end: str
    closes_at: str


_DRAFT_COLUMNS = {
    "id": "uuid",
    "customer_id": "text",
    "subscription_id": "text",
    "kind": "text",
    "currency": "text",
    "period_start": "text",
    "period_end": "text",
    "closes_at": "text",
    "status": "text",
    "total": "numeric",
}


class Finalization(NamedTuple):
    """What a draft gets when it becomes final; ``taxes`` as it is kept, None where no tax was reckoned.

    ``prepaid`` is what grants in money pay of it.
    """

    id: UUID
    number: int
    due_at: datetime
    credit_applied: Decimal
    tax: Decimal
    taxes: list[dict[str, Any]] | None
    prepaid: Decimal


def add_drafts(session: Session, drafts: Sequence[NewDraft], *, totals: Mapping[UUID, Decimal]) -> None:
    """Store drafts, each with the total that its items will add up to.

    Raises IntegrityError for a second draft of the same subscription, kind and closing.
    """
    if drafts:
        copy_rows(
            session,
            Invoice.__tablename__,
            _DRAFT_COLUMNS,
            ((*draft, InvoiceStatus.DRAFT, totals[draft.id]) for draft in drafts),
        )


def add_up(session: Session, invoice_ids: Collection[UUID]) -> None:
    """Set the total of each of these invoices to the sum of its items."""
    if invoice_ids:
        session.execute(_TOTALS, {"ids": list(invoice_ids)})


def remove_empty(session: Session, invoice_ids: Collection[UUID]) -> None:
    """Delete those of these drafts that have no items."""
    if invoice_ids:
        session.execute(_REMOVE_EMPTY, {"ids": list(invoice_ids)})


def remove_drafts(session: Session, invoice_ids: Collection[UUID]) -> None:
    """Forget these drafts with their items."""
    if invoice_ids:
        session.execute(_REMOVE, {"ids": list(invoice_ids)})


def bring_drafts_forward(session: Session, subscription_id: str, *, final: Period) -> None:
    """Gather the items of all drafts that are due at or after the end of ``final`` on one draft, due at that end.

    It is the subscription's last invoice. If an invoice of that moment is finalized already, the drafts stay as they
    are.
    """
    standing = session.scalars(
        select(Invoice)
        .where(
            Invoice.subscription_id == subscription_id,
            Invoice.kind == InvoiceKind.PERIOD,
            Invoice.status != InvoiceStatus.VOID,
            Invoice.closes_at >= final.end,
        )
        .order_by(Invoice.closes_at)
        .execution_options(populate_existing=True)
    ).all()
    drafts = [invoice for invoice in standing if invoice.status == InvoiceStatus.DRAFT]
    if not drafts or (standing[0].closes_at == final.end and standing[0].status != InvoiceStatus.DRAFT):
        return
    last = drafts[0]
    last.period_start, last.period_end = min(last.period_start, final.start), final.end
    last.closes_at = final.end
    session.flush()
    ids = [draft.id for draft in drafts]
    session.execute(
        update(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id.in_(ids)).values(invoice_id=last.id),
        execution_options={"synchronize_session": False},
    )
    add_up(session, ids)
    remove_empty(session, ids)
    session.refresh(last)


def keep_taxes(session: Session, taxed: Mapping[UUID, ItemTax]) -> None:
    """Keep how these items of drafts are taxed, by their ids."""
    if taxed:
        found = taxed.values()
        asked = {
            "ids": list(taxed),
            "categories": [tax.category for tax in found],
            "countries": [tax.country for tax in found],
            "rates": [tax.rate for tax in found],
        }
        session.execute(_TAX_ITEMS, asked)


def finalize(
    session: Session, finals: Sequence[Finalization], *, seller_id: int | None, now: datetime
) -> dict[UUID, Mapping[str, Any]]:
    """Finalize locked drafts with their numbers, in the name of a seller; from then on a trigger refuses changes.

    Returns by id what each got: number, status, times, credit and tax.

    Raises RuntimeError when one of them is no draft any more.
    """
    done = session.execute(
        _FINALIZE,
        {
            "now": now,
            "ids": [final.id for final in finals],
            "numbers": [final.number for final in finals],
            "dues": [final.due_at for final in finals],
            "credits": [final.credit_applied for final in finals],
            "tax": [final.tax for final in finals],
            "prepaid": [final.prepaid for final in finals],
            "taxes": [None if final.taxes is None else msgspec.json.encode(final.taxes).decode() for final in finals],
            "seller": seller_id,
        },
    )
    found: dict[UUID, Mapping[str, Any]] = {row.id: dict(row._mapping) for row in done}
    if len(found) != len(finals):
        raise RuntimeError(f"{len(finals)} drafts were to be made final, {len(found)} were there")
    return found
