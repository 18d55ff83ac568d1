"""``usage-billing taxes``: what tax costs."""

from typing import IO

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_rows, tell, wide_option
from usage_billing.cli.frame.party_types import COUNTRY
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.tax import TAX_RATE

_COLUMNS = ("country", "category", "rate", "effectiveFrom", "createdAt", "id")


@click.group(epilog=example("taxes list --country DE"))
def command() -> None:
    """Say and list rates of tax; seller set --taxes rules has invoices taxed by them."""


@command.command(name="import", epilog=example("taxes import rates.csv"))
@click.argument("file", type=click.File(encoding="utf-8-sig"))
@json_option
def import_rates(*, file: IO[str], as_json: bool) -> None:
    """Say the rates of FILE, all or none; `-` is standard input.

    It is CSV with the columns country, category (S, or AA for a lower rate), rate in per cent and effectiveFrom, the
    first day on which it holds. Of two for one day the later said holds.
    """
    from usage_billing.cli.nouns.tax_file import read_rates
    from usage_billing.flows.administration.manage_taxes import say_rates

    rates = read_rates(file)
    with writing() as session:
        added = say_rates(session, rates, actor=actor(), now=utc_now())
        rows = [wire.show(TAX_RATE, one) for one in added]
    if as_json:
        print_rows(rows, as_json=True, empty="")
    else:
        tell(f"rates in the file: {len(rates)}, new: {len(added)}")


@command.command(name="list", epilog=example("taxes list --country DE"))
@click.option("--country", type=COUNTRY, help="Only of this country.")
@limit_option
@wide_option
@json_option
def list_rates(*, country: str | None, limit: int, as_json: bool) -> None:
    """List rates by country, category and day."""
    from usage_billing.taxes.models import TaxRate
    from usage_billing.taxes.queries import rates_where

    statement = rates_where(country=country).order_by(TaxRate.country, TaxRate.category, TaxRate.effective_from)
    with reading() as session:
        rows = [wire.show(TAX_RATE, row) for row in first_rows(session, statement, limit=limit)]
    empty = none_of("rates", hint="usage-billing taxes import --help", country=country)
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    print_rows(shown, as_json=as_json, empty=empty, wide_only={"id"})
