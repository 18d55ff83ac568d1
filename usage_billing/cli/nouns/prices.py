"""``usage-billing prices``: what a price would charge, before any plan has it."""

from decimal import Decimal
from typing import Any

import click

from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, print_rows
from usage_billing.cli.frame.types import EXACT_JSON, PRICE_JSON, QUANTITY
from usage_billing.wire import noun as wire
from usage_billing.wire.preview import PREVIEW

_EXAMPLE = """prices preview --quantity 250 --currency USD --price '{"model": "flat", "amount": "99"}'"""


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Try out prices."""


@command.command(epilog=example(_EXAMPLE))
@click.option("--price", type=PRICE_JSON, required=True, help="The price as JSON.")
@click.option(
    "--quantity",
    "quantities",
    type=QUANTITY,
    multiple=True,
    help="How much lies beyond the allowance; given several times, that of each recording.",
)
@click.option("--currency", required=True, help="An ISO 4217 code.")
@click.option("--recordings", type=click.IntRange(0), help="In how many recordings a single quantity; 1.")
@click.option(
    "--series",
    type=(EXACT_JSON, QUANTITY),
    multiple=True,
    help="For a price by dimension: dimensions as JSON, and what was used of them; may be given several times.",
)
@click.option("--allowance", type=QUANTITY, help="How much of the series is free.")
@json_option
def preview(
    *,
    price: dict[str, Any],
    quantities: tuple[Decimal, ...],
    currency: str,
    recordings: int | None,
    series: tuple[tuple[dict[str, Any], Decimal], ...],
    allowance: Decimal | None,
    as_json: bool,
) -> None:
    """Rate a quantity by a price, step by step. It needs no database and stores nothing."""
    from usage_billing.reports.preview import Trial, TriedSeries
    from usage_billing.reports.preview import preview as rate

    trial = Trial(
        price=price,
        currency=currency,
        quantity=quantities[0] if len(quantities) == 1 else None,
        quantities=quantities if len(quantities) > 1 else None,
        recordings=recordings,
        series=[TriedSeries(dimensions=one, quantity=quantity) for one, quantity in series] or None,
        allowance=allowance,
    )
    shape = wire.show(PREVIEW, rate(trial))
    if as_json:
        print_json(shape)
        return
    print_rows(shape["breakdown"], as_json=False, empty="Nothing is charged for.")
    click.echo(f"{shape['amount']} {currency} (exactly {shape['exact']})")
