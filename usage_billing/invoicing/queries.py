"""Reads invoices, for the flows that write them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, exists, or_, select, text
from sqlalchemy.orm import Session

from usage_billing.core.errors import NotFound
from usage_billing.core.spans import ALWAYS, Span
from usage_billing.db.filters import equal, within
from usage_billing.db.rows import read_rows, things_of
from usage_billing.db.session import once_while_agreed
from usage_billing.invoicing.builder import EarlierCharge
from usage_billing.invoicing.causes import Cause, cause_of
from usage_billing.invoicing.lifecycle import InvoiceStatus
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem

AS_SHOWN = (UsageInvoiceItem.period_start, UsageInvoiceItem.usage_type_id, UsageInvoiceItem.id)
"""The order in which the items of an invoice are shown."""


class DraftItem(NamedTuple):
    """An item that may still change, and its draft."""

    id: UUID
    invoice_id: UUID
    invoice_kind: str
    amount: Decimal


class OpenItem(NamedTuple):
    """An item on a draft, whose it is, and what it charges for."""

    id: UUID
    invoice_id: UUID
    subscription_id: str
    summary_id: int | None
    fee_id: int | None


@dataclass(slots=True)
class History:
    """What was charged for each cause: on finalized invoices, and on drafts that may still change."""

    charged: dict[Cause, EarlierCharge] = field(default_factory=dict)
    drafted: dict[Cause, DraftItem] = field(default_factory=dict)


class StandingInvoice(NamedTuple):
    """An invoice that is not void; ``is_open`` while it is a draft."""

    id: UUID
    is_open: bool


InvoiceKey = tuple[str, str, datetime]
"""(subscription, kind, when it is due to be final)."""


class DueDraft(NamedTuple):
    """A locked draft that is due to be final.

    ``is_whole`` says that its items add up to its total, ``charges`` that at least one of them has an amount.
    """

    id: UUID
    customer_id: str
    subscription_id: str
    kind: str
    closes_at: datetime
    currency: str
    total: Decimal
    is_whole: bool
    charges: bool


_DRAFT_ITEMS = text("""
    SELECT t.id, t.invoice_id, i.subscription_id, t.summary_id, t.fee_id
    FROM usage_invoice_items AS t
    JOIN invoices AS i ON i.id = t.invoice_id
    WHERE t.id = ANY(CAST(:ids AS uuid[])) AND i.status = 'draft'
""")
_HISTORY = text("""
    SELECT t.summary_id, t.cell, t.fee_id, t.purchase_id, i.status, t.id, t.invoice_id, i.kind, t.amount, t.quantity
    FROM usage_invoice_items AS t
    JOIN invoices AS i ON i.id = t.invoice_id
    WHERE (t.summary_id = ANY(CAST(:summaries AS bigint[])) OR t.fee_id = ANY(CAST(:fees AS bigint[]))
            OR t.purchase_id = ANY(CAST(:purchases AS bigint[])))
        AND i.status <> 'void'
""")
_STANDING = text("""
    SELECT i.subscription_id, i.kind, i.closes_at, i.id, i.status = 'draft' AS is_open
    FROM unnest(CAST(:subscriptions AS text[]), CAST(:since AS timestamptz[])) AS v (subscription_id, since)
    JOIN invoices AS i ON i.subscription_id = v.subscription_id
        AND i.status <> 'void'
        AND (i.closes_at >= v.since OR i.kind = 'correction' AND i.status = 'draft')
""")
DUE = "status = 'draft' AND (closes_at <= :ended_before OR kind = 'change' AND closes_at <= :as_of)"
"""Which invoices are due to be final: those of changes at once, the others after the grace time."""
# Credits come first, so that what they grant is in hand for the others, of which the oldest is paid first.
_LOCK_DUE = text(f"""
    SELECT i.id, i.customer_id, i.subscription_id, i.kind, i.closes_at, i.currency, i.total,
        coalesce(s.amount, 0) = i.total AS is_whole, s.charges > 0 AS charges
    FROM invoices AS i
    CROSS JOIN LATERAL (
        SELECT sum(amount) AS amount, count(*) FILTER (WHERE amount <> 0) AS charges
        FROM usage_invoice_items
        WHERE invoice_id = i.id
    ) AS s
    WHERE i.subscription_id = ANY(CAST(:subscriptions AS text[]))
        AND {DUE}
    ORDER BY i.total >= 0, i.closes_at, i.subscription_id, i.kind
    FOR UPDATE OF i
""")  # noqa: S608


def history_of(
    session: Session, *, summary_ids: Collection[int], fee_ids: Collection[int], purchase_ids: Collection[int] = ()
) -> History:
    """What was charged and drafted for these causes; items on void invoices are left out."""
    history = History()
    asked = {"summaries": list(summary_ids), "fees": list(fee_ids), "purchases": list(purchase_ids)}
    rows = session.execute(_HISTORY, asked).all()
    for row in rows:
        cause = cause_of(row)
        if row.status == InvoiceStatus.DRAFT:
            history.drafted[cause] = DraftItem(row.id, row.invoice_id, row.kind, row.amount)
        else:
            history.charged[cause] = history.charged.get(cause, EarlierCharge()).plus(row.quantity, row.amount)
    return history


def standing_invoices(session: Session, since: Mapping[str, datetime]) -> dict[InvoiceKey, StandingInvoice]:
    """The invoices of these subscriptions that are not void and close late enough, and their open corrections.

    ``since`` gives, by subscription id, the earliest ``closes_at`` to look for.
    """
    rows = session.execute(_STANDING, {"subscriptions": list(since), "since": list(since.values())}).all()
    return {(row.subscription_id, row.kind, row.closes_at): StandingInvoice(row.id, row.is_open) for row in rows}


def lock_due_drafts(
    session: Session, subscription_ids: Collection[str], *, as_of: datetime, grace: timedelta
) -> list[DueDraft]:
    """Lock and return the drafts of these locked subscriptions that are due: credits first, then the oldest."""
    session.flush()
    due = {"subscriptions": list(subscription_ids), "as_of": as_of, "ended_before": as_of - grace}
    return read_rows(session.execute(_LOCK_DUE, due), DueDraft)


def draft_items(session: Session, item_ids: Collection[UUID]) -> list[OpenItem]:
    """Those of these items that are on drafts."""
    return read_rows(session.execute(_DRAFT_ITEMS, {"ids": list(item_ids)}), OpenItem)


def open_drafts(session: Session, subscription_ids: Collection[str]) -> list[tuple[Invoice, list[UsageInvoiceItem]]]:
    """The drafts of these subscriptions, ordered by when they are due to be finalized, with items of no session."""

    def read() -> Sequence[Invoice]:
        return session.scalars(
            select(Invoice)
            .where(Invoice.subscription_id.in_(subscription_ids), Invoice.status == InvoiceStatus.DRAFT)
            .order_by(Invoice.closes_at)
            .execution_options(populate_existing=True)
        ).all()

    drafts = once_while_agreed(session, ("drafts", frozenset(subscription_ids)), read)
    if not drafts:
        return []
    items: dict[UUID, list[UsageInvoiceItem]] = {draft.id: [] for draft in drafts}
    for item in things_of(
        session,
        select(UsageInvoiceItem)
        .where(UsageInvoiceItem.invoice_id.in_(items))
        .order_by(UsageInvoiceItem.period_start, UsageInvoiceItem.id)
        .execution_options(populate_existing=True),
    ):
        session.expunge(item)  # what is put on it is stored nowhere
        items[item.invoice_id].append(item)
    return [(draft, items[draft.id]) for draft in drafts]


def is_invoiced(session: Session, subscription_id: str) -> bool:
    """Whether an invoice of a subscription is final and stands."""
    final = Invoice.status.not_in((InvoiceStatus.DRAFT, InvoiceStatus.VOID))
    return bool(session.scalar(select(exists().where(Invoice.subscription_id == subscription_id, final))))


def copy_of(invoice: Invoice) -> Invoice:
    """A copy of an invoice that belongs to no session: changes to the copy are stored nowhere."""
    return Invoice(**{column.key: getattr(invoice, column.key) for column in Invoice.__table__.columns})


def get_invoice(session: Session, invoice_id: UUID, *, lock: bool = False) -> Invoice:
    """The invoice with this id, its row locked with ``lock``. Raises NotFound."""
    statement = select(Invoice).where(Invoice.id == invoice_id).execution_options(populate_existing=True)
    found = session.scalars(statement.with_for_update() if lock else statement).first()
    if found is None:
        raise NotFound(f"there is no invoice {invoice_id}")
    return found


def items_where(invoice_id: UUID) -> Select[UsageInvoiceItem]:
    """The statement for a list of the items of an invoice."""
    return select(UsageInvoiceItem).where(UsageInvoiceItem.invoice_id == invoice_id)


def items_as_shown(session: Session, invoice_id: UUID) -> Sequence[UsageInvoiceItem]:
    """The items of an invoice in the order in which they are shown."""
    return session.scalars(items_where(invoice_id).order_by(*AS_SHOWN)).all()


def items_of(session: Session, invoice_id: UUID) -> list[UsageInvoiceItem]:
    """The items of an invoice, oldest period first."""
    return list(
        session.scalars(
            select(UsageInvoiceItem)
            .where(UsageInvoiceItem.invoice_id == invoice_id)
            .order_by(UsageInvoiceItem.period_start, UsageInvoiceItem.id)
        )
    )


def invoices_where(
    *,
    customer_id: str | None = None,
    subscription_id: str | None = None,
    status: str | None = None,
    span: Span = ALWAYS,
) -> Select[Invoice]:
    """The statement for a list of invoices whose period starts in ``span``.

    A draft on which nothing has an amount is none of them: no invoice is made of it.
    """
    asked = {Invoice.customer_id: customer_id, Invoice.subscription_id: subscription_id, Invoice.status: status}
    charges = exists().where(UsageInvoiceItem.invoice_id == Invoice.id, UsageInvoiceItem.amount != 0)
    is_made = or_(Invoice.status != InvoiceStatus.DRAFT, Invoice.total != 0, charges)
    return within(equal(select(Invoice), asked), Invoice.period_start, span).where(is_made)
