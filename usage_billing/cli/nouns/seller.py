"""``usage-billing seller``: who bills."""

from typing import Any

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_thing
from usage_billing.cli.frame.party_types import IBAN, LANGUAGE, LEGAL_NAME, TAX_ID
from usage_billing.cli.frame.types import EMAIL, NAME
from usage_billing.cli.nouns.parties import address_options, take_address
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.customer import SELLER

_EXAMPLE = "seller set --legal-name 'Example GmbH' --line1 'Hauptstr. 1' --postal-code 10115 --city Berlin --country DE"


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Say and show who bills."""


@command.command(name="set", epilog=example(_EXAMPLE))
@click.option("--legal-name", type=LEGAL_NAME, required=True, help="The name on invoices.")
@address_options
@click.option("--tax-id", type=TAX_ID, help="The tax id.")
@click.option("--email", type=EMAIL, help="Where customers reach the seller.")
@click.option("--iban", type=IBAN, help="The account to pay to.")
@click.option("--registration", type=NAME, help="Where and as what it is registered.")
@click.option(
    "--taxes",
    "tax_mode",
    type=click.Choice(["none", "rules"]),
    default="none",
    show_default=True,
    help="How tax is reckoned; rules need the tax id and rates (usage-billing taxes import).",
)
@click.option("--language", type=LANGUAGE, help="That of documents for customers who said none: en, de or fr.")
@json_option
def set_seller(*, as_json: bool, **said: Any) -> None:
    """Say who bills from now on, as a whole. Invoices that are final keep the seller that they name."""
    from usage_billing.customers.parties import Seller
    from usage_billing.flows.administration import manage_customers

    address = take_address(said)
    if address is None:
        raise click.UsageError("A seller needs an address: --line1, --city and --country.")
    with writing() as session:
        found = manage_customers.set_seller(session, Seller(address=address, **said), actor=actor(), now=utc_now())
        shape = wire.show(SELLER, found)
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("seller show"))
@json_option
def show(*, as_json: bool) -> None:
    """Show who bills."""
    from usage_billing.customers.queries import get_seller

    with reading() as session:
        shape = wire.show(SELLER, get_seller(session))
    print_thing(shape, as_json=as_json)
