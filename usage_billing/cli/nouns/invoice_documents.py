"""``usage-billing invoices document``: an invoice as a file; and how a command finds an invoice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click

from usage_billing.cli.frame.database import connected
from usage_billing.cli.frame.listing import example, span_options
from usage_billing.cli.frame.output import tell
from usage_billing.cli.frame.times import MONTH
from usage_billing.core.errors import NotFound
from usage_billing.core.spans import ALWAYS

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from usage_billing.core.spans import Span
    from usage_billing.invoicing.models import Invoice
    from usage_billing.settings import Settings

_FORMATS = ("html", "pdf", "csv")


@click.command(epilog=example("invoices document INV-00000001", "invoices document 1 --format pdf --out 1.pdf"))
@click.argument("invoice")
@click.option("--format", "kind", type=click.Choice(_FORMATS), default="html", show_default=True, help="As what.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Into this file, not to stdout.")
def document(*, invoice: str, kind: str, out: Path | None) -> None:
    """Write INVOICE as a document: an HTML page, a PDF, or its items as CSV.

    The PDF of a final invoice is made once and kept as it is; that of a draft says that it is one.
    """
    with connected() as (settings, engine):
        content = _written(engine, invoice, kind, settings)
    if out is not None:
        out.write_bytes(content)
        return
    click.echo(content, nl=False)


@click.command(epilog=example("invoices documents --month 2026-11 --out november"))
@span_options("those that became final")
@click.option("--month", type=MONTH, help="Only those that became final in this month (UTC), such as 2026-11.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder.")
def documents(*, span: Span, month: Span | None, out: Path) -> None:
    """Write the PDFs of final invoices into a folder, named by their numbers; those not made yet are made now."""
    from usage_billing.db.session import read_only
    from usage_billing.documents.layout import layout_of
    from usage_billing.documents.queries import finals_in
    from usage_billing.flows.documents.drive_document import pdf_of

    if month is not None and span != ALWAYS:
        raise click.UsageError("--month and --from or --to contradict each other.")
    out.mkdir(parents=True, exist_ok=True)
    with connected() as (settings, engine):
        layout = layout_of(settings)
        with read_only(engine) as session:
            ids = finals_in(session, month or span)
        for invoice_id in ids:
            made = pdf_of(engine, invoice_id, layout=layout)
            (out / f"{made.number}.pdf").write_bytes(made.content)
    tell(f"PDFs written into {out}: {len(ids)}")


def find_invoice(session: Session, invoice: str) -> Invoice:
    """The invoice with this number or id; raises NotFound, and BadParameter for what is neither."""
    from sqlalchemy import select

    from usage_billing.invoicing.models import Invoice

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


def _written(engine: Engine, invoice: str, kind: str, settings: Settings) -> bytes:
    from usage_billing.brand.reading import read_brand
    from usage_billing.db.session import read_only
    from usage_billing.documents.items_csv import items_csv
    from usage_billing.documents.page import page_of_invoice
    from usage_billing.documents.queries import read_source

    with read_only(engine) as session:
        invoice_id = find_invoice(session, invoice).id
        source = read_source(session, invoice_id)
    if kind == "html":
        return page_of_invoice(source.invoice, zone=source.zone, brand=read_brand(settings.brand_file)).encode()
    if kind == "csv":
        return items_csv(source.invoice).encode()
    from usage_billing.documents.layout import layout_of
    from usage_billing.flows.documents.drive_document import pdf_of

    return pdf_of(engine, invoice_id, layout=layout_of(settings)).content
