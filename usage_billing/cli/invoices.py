"""``usage-billing invoices``: what was charged."""

from uuid import UUID

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from usage_billing.cli.database import reading
from usage_billing.cli.listing import example, first_rows, limit_option
from usage_billing.cli.output import json_option, print_json, print_rows, print_thing
from usage_billing.cli.shapes import Shape, invoice_shape, item_shapes, pick
from usage_billing.cli.types import IDENTIFIER
from usage_billing.core.errors import NotFound
from usage_billing.invoicing.lifecycle import DRAFT, FINALIZED, PAID, VOID
from usage_billing.invoicing.models import Invoice, UsageInvoiceItem

_COLUMNS = ("id", "number", "userId", "subscriptionId", "status", "periodStart", "periodEnd", "currency", "total")
_ITEM_COLUMNS = ("usageType", "kind", "quantity", "unitPrice", "amount", "description")


@click.group(epilog=example("invoices list --subscription sub456"))
def command() -> None:
    """List and show invoices."""


@command.command(name="list", epilog=example("invoices list --subscription sub456 --status draft"))
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only of this customer.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only of this subscription.")
@click.option("--status", type=click.Choice([DRAFT, FINALIZED, PAID, VOID]), help="Only in this state.")
@limit_option
@json_option
def list_invoices(
    *, customer_id: str | None, subscription_id: str | None, status: str | None, limit: int, as_json: bool
) -> None:
    """List invoices, newest first."""
    statement = select(Invoice).order_by(Invoice.id.desc())
    if customer_id:
        statement = statement.where(Invoice.customer_id == customer_id)
    if subscription_id:
        statement = statement.where(Invoice.subscription_id == subscription_id)
    if status:
        statement = statement.where(Invoice.status == status)
    with reading() as session:
        rows = [invoice_shape(row) for row in first_rows(session, statement, limit=limit)]
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    print_rows(shown, as_json=as_json, empty="There are no invoices: usage-billing bill makes them from usage.")


@command.command(epilog=example("invoices show INV-00000001", "invoices show 01890a5d-ac96-774b-bcce-b302099a8057"))
@click.argument("invoice")
@json_option
def show(*, invoice: str, as_json: bool) -> None:
    """Show INVOICE, by its number or id, with its items."""
    with reading() as session:
        found = _find(session, invoice)
        shape = invoice_shape(found)
        items = item_shapes(_items(session, found), currency=found.currency)
    print_invoice(shape, items, as_json=as_json)


def print_invoice(shape: Shape, items: list[Shape], *, as_json: bool) -> None:
    """An invoice and its items."""
    if as_json:
        print_json({**shape, "items": items})
        return
    print_thing(shape, as_json=False)
    print_rows([pick(item, *_ITEM_COLUMNS) for item in items], as_json=False, empty="It has no items.")


def _find(session: Session, invoice: str) -> Invoice:
    statement = select(Invoice)
    digits = invoice.upper().removeprefix("INV-")
    if digits.isascii() and digits.isdigit() and len(digits) < 19:  # noqa: PLR2004  what a bigint holds
        statement = statement.where(Invoice.number == int(digits))
    else:
        try:
            statement = statement.where(Invoice.id == UUID(invoice))
        except ValueError:
            raise click.BadParameter("must be a number such as INV-00000001, or an id.") from None
    found = session.scalars(statement).first()
    if found is None:
        raise NotFound(f"there is no invoice {invoice}")
    return found


def _items(session: Session, invoice: Invoice) -> list[UsageInvoiceItem]:
    statement = (
        select(UsageInvoiceItem)
        .where(UsageInvoiceItem.invoice_id == invoice.id)
        .order_by(UsageInvoiceItem.period_start, UsageInvoiceItem.usage_type_id, UsageInvoiceItem.id)
    )
    return list(session.scalars(statement))
