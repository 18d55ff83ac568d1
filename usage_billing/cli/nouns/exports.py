"""``usage-billing export``: the books as CSV, for finance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.database import reading
from usage_billing.cli.frame.listing import example, span_options

if TYPE_CHECKING:
    from usage_billing.core.spans import Span

_WHAT = ("invoices", "items", "usage", "credits", "payments", "all")


@click.command(
    epilog=example("export items --from 2026-11-01 --to 2026-12-01 --out items.csv", "export all --out books.zip")
)
@click.argument("what", type=click.Choice(_WHAT))
@span_options("what became final, occurred, was made or was paid")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Into this file, not to stdout.")
def command(*, what: str, span: Span, out: Path | None) -> None:
    """Write WHAT as CSV, or all of it as a zip file of CSV files; all that is written is of one moment.

    Invoices and items are those of final invoices.
    """
    from usage_billing.exports.columns import Export
    from usage_billing.exports.stream import csv_of, zip_of

    with reading() as session:
        pieces = zip_of(session, span) if what == "all" else csv_of(session, Export(what), span)
        if out is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            return
        with out.open("wb") as file:
            file.writelines(pieces)
