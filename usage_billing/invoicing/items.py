"""Writes the items of drafts, many in one statement, and says what they charge."""

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from usage_billing.core.clock import as_text
from usage_billing.db.bulk import copy_rows
from usage_billing.invoicing.builder import Basis, Charge, Tariff
from usage_billing.invoicing.fees import DueFee
from usage_billing.invoicing.models import UsageInvoiceItem
from usage_billing.metering.unrated import UnratedSummary

_NOTHING = Decimal(0)


class NewItem(NamedTuple):
    """A row of ``usage_invoice_items`` to be written; its times and bytes are texts as PostgreSQL reads them."""

    id: UUID
    invoice_id: UUID
    summary_id: int | None
    cell: str
    fee_id: int | None
    quota_id: int | None
    usage_type_id: str | None
    kind: str
    period_start: str
    period_end: str
    total: Decimal
    billable: Decimal
    quantity: Decimal
    charged_before: Decimal
    amount: Decimal
    allowance: Decimal | None
    covered: Decimal
    events: int
    billable_events: int
    voids: int
    events_hash: str | None
    description: str
    text_key: str
    text_args: Mapping[str, Any]
    before_quantity: Decimal
    before_recordings: int
    before_amount: Decimal
    price: Mapping[str, Any] | None
    rated_price: Mapping[str, Any] | None
    sources: Sequence[Mapping[str, Any]] | None = None
    purchase_id: int | None = None


# In the order of the fields above.
_COLUMNS = {
    "id": "uuid",
    "invoice_id": "uuid",
    "summary_id": "int8",
    "cell": "text",
    "fee_id": "int8",
    "quota_id": "int8",
    "usage_type_id": "text",
    "kind": "text",
    "period_start": "text",
    "period_end": "text",
    "total": "numeric",
    "billable": "numeric",
    "quantity": "numeric",
    "charged_before": "numeric",
    "amount": "numeric",
    "allowance": "numeric",
    "covered": "numeric",
    "events": "int8",
    "billable_events": "int8",
    "voids": "int8",
    "events_hash": "text",
    "description": "text",
    "text_key": "text",
    "text_args": "text",
    "before_quantity": "numeric",
    "before_recordings": "int8",
    "before_amount": "numeric",
    "price": "text",
    "rated_price": "text",
    "sources": "text",
    "purchase_id": "int8",
}
_FIXED = ("id", "invoice_id", "summary_id", "cell", "fee_id", "purchase_id")
_CHANGES = ", ".join(f"{name} = v.{name}" for name in _COLUMNS if name not in _FIXED)
_CHANGE = text(f"""
    UPDATE usage_invoice_items AS i
    SET {_CHANGES}
    FROM json_populate_recordset(CAST(NULL AS usage_invoice_items), CAST(:rows AS json)) AS v
    WHERE i.id = v.id
""")  # noqa: S608


def add_items(session: Session, items: Sequence[NewItem]) -> None:
    """Put items on their drafts. Raises IntegrityError for a second item of the same cause on the same invoice."""
    if items:
        prices = {id(item.price): _json(item.price) for item in items}  # many items share few prices
        rows = (
            (
                *item[:-8],
                _json(item.text_args),
                *item[-7:-4],
                prices[id(item.price)],
                _json(item.rated_price),
                _json(item.sources),
                item.purchase_id,
            )
            for item in items
        )
        copy_rows(session, UsageInvoiceItem.__tablename__, _COLUMNS, rows)


def change_items(session: Session, items: Sequence[NewItem]) -> None:
    """Change items that are on their drafts into the items given here with the same ids."""
    if items:
        rows = [item._asdict() for item in items]
        session.execute(_CHANGE, {"rows": msgspec.json.encode(rows).decode()})


def remove_items(session: Session, item_ids: Collection[UUID]) -> None:
    """Take items off their drafts."""
    if item_ids:
        session.execute(delete(UsageInvoiceItem).where(UsageInvoiceItem.id.in_(item_ids)))


def summaries_on(session: Session, invoice_ids: Collection[UUID]) -> dict[int, UUID]:
    """The summaries that items of these invoices charge, each with the invoice."""
    statement = select(UsageInvoiceItem.summary_id, UsageInvoiceItem.invoice_id)
    found = session.execute(
        statement.where(UsageInvoiceItem.invoice_id.in_(invoice_ids), UsageInvoiceItem.summary_id.is_not(None))
    )
    return {row.summary_id: row.invoice_id for row in found}


def usage_item(
    id: UUID,
    invoice_id: UUID,
    charge: Charge,
    *,
    summary: UnratedSummary,
    tariff: Tariff,
    basis: Basis | None = None,
    cell: str = "",
) -> NewItem:
    """The item of a usage charge, with all that it stands on; of a price by dimension that of one ``cell``."""
    stands_on = basis or Basis(_NOTHING, tariff.price)
    return NewItem(
        id=id,
        invoice_id=invoice_id,
        summary_id=summary.id,
        cell=cell,
        fee_id=None,
        quota_id=tariff.quota_id,
        usage_type_id=summary.usage_type_id,
        kind=charge.kind,
        period_start=as_text(summary.period_start),
        period_end=as_text(summary.period_end),
        total=summary.total,
        billable=summary.billable,
        quantity=charge.quantity,
        charged_before=charge.charged_before,
        amount=charge.amount,
        allowance=summary.allowance,
        covered=summary.covered,
        events=summary.events,
        billable_events=summary.beyond_events,
        voids=summary.voids,
        events_hash=f"\\x{summary.events_hash.hex()}" if summary.sources is None else None,
        description=charge.wording.text,
        text_key=charge.wording.key,
        text_args=charge.wording.args,
        before_quantity=stands_on.before_quantity,
        before_recordings=stands_on.before_recordings,
        before_amount=stands_on.before_amount,
        price=tariff.price,
        rated_price=None if stands_on.price == tariff.price else stands_on.price,
        sources=summary.sources,
    )


def fee_item(id: UUID, invoice_id: UUID, charge: Charge, *, fee: DueFee) -> NewItem:
    """The item of a base fee."""
    span = as_text(fee.period_start), as_text(fee.period_end)
    return item_without_usage(id, invoice_id, charge, span=span, fee_id=fee.id)


def item_without_usage(
    id: UUID,
    invoice_id: UUID,
    charge: Charge,
    *,
    span: tuple[str, str],
    fee_id: int | None = None,
    purchase_id: int | None = None,
) -> NewItem:
    """The item of a charge that no usage stands behind, of the time from the first instant of ``span`` to the second.

    Its cause is the fee or the purchase.
    """
    return NewItem(
        id=id,
        invoice_id=invoice_id,
        summary_id=None,
        cell="",
        fee_id=fee_id,
        quota_id=None,
        usage_type_id=None,
        kind=charge.kind,
        period_start=span[0],
        period_end=span[1],
        total=_NOTHING,
        billable=_NOTHING,
        quantity=charge.quantity,
        charged_before=charge.charged_before,
        amount=charge.amount,
        allowance=None,
        covered=_NOTHING,
        events=0,
        billable_events=0,
        voids=0,
        events_hash=None,
        description=charge.wording.text,
        text_key=charge.wording.key,
        text_args=charge.wording.args,
        before_quantity=_NOTHING,
        before_recordings=0,
        before_amount=_NOTHING,
        price=None,
        rated_price=None,
        purchase_id=purchase_id,
    )


def _json(value: Mapping[str, Any] | Sequence[Any] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
