"""``usage-billing customers``: who is billed."""

from typing import Any

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of, span_options
from usage_billing.cli.frame.output import json_option, print_rows, print_thing, wide_option
from usage_billing.cli.frame.types import EMAIL, IDENTIFIER, NAME, NEW_IDENTIFIER
from usage_billing.cli.nouns.parties import buyer_options, take_address
from usage_billing.core.clock import utc_now
from usage_billing.core.spans import Span
from usage_billing.wire import noun as wire
from usage_billing.wire.customer import CUSTOMER

_WIDE_ONLY = {"legalName", "address", "taxId", "language", "buyerReference", "taxExempt"}
_FORGETTABLE = ("legal-name", "address", "tax-id", "language", "buyer-reference")


@click.group(epilog=example("customers create user123 --name 'Ann Example'"))
def command() -> None:
    """Create, list, show and change customers."""


@command.command(epilog=example("customers create user123 --name 'Ann Example' --email ann@example.com"))
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--name", type=NAME, required=True, help="What people call it.")
@click.option("--email", type=EMAIL, help="Where invoices go.")
@buyer_options
@json_option
def create(*, as_json: bool, **said: Any) -> None:
    """Create the customer ID: the userId of its recordings."""
    from usage_billing.customers.service import NewCustomer
    from usage_billing.flows.administration.manage_customers import create_customer

    exempt = bool(said.pop("tax_exempt"))
    new = NewCustomer(address=take_address(said), tax_exempt=exempt, **said)
    with writing() as session:
        shape = wire.show(CUSTOMER, create_customer(session, new, actor=actor(), now=utc_now()))
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("customers list --json"))
@span_options("those made")
@limit_option
@wide_option
@json_option
def list_customers(*, span: Span, limit: int, as_json: bool) -> None:
    """List customers by id."""
    from usage_billing.customers.models import Customer
    from usage_billing.customers.queries import customers_where

    statement = customers_where(span=span).order_by(Customer.id)
    with reading() as session:
        rows = [wire.show(CUSTOMER, row) for row in first_rows(session, statement, limit=limit)]
    empty = none_of("customers", hint="usage-billing customers create --help", span=span)
    print_rows(rows, as_json=as_json, empty=empty, wide_only=_WIDE_ONLY)


@command.command(epilog=example("customers show user123"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the customer ID."""
    from usage_billing.customers.queries import get_customer

    with reading() as session:
        shape = wire.show(CUSTOMER, get_customer(session, id))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("customers change user123 --name 'Ann B. Example'"))
@click.argument("id", type=IDENTIFIER)
@click.option("--name", type=NAME, help="The new name.")
@click.option("--email", type=EMAIL, help="The new address.")
@click.option("--no-email", is_flag=True, help="Forget the address.")
@buyer_options
@click.option("--forget", type=click.Choice(_FORGETTABLE), multiple=True, help="What it has no more; repeatable.")
@json_option
def change(*, id: str, no_email: bool, forget: tuple[str, ...], as_json: bool, **said: Any) -> None:
    """Change the name of the customer ID, or what invoices say of it; an address is replaced as a whole."""
    from usage_billing.customers.service import CustomerChanges
    from usage_billing.flows.administration.manage_customers import change_customer

    changes = {"address": take_address(said), **said}
    changes = {name: value for name, value in changes.items() if value not in (None, "")}
    gone = [*forget, *(["email"] if no_email else [])]
    for option in gone:
        name = option.replace("-", "_")
        if name in changes:
            flag = "--no-email" if option == "email" else f"--forget {option}"
            raise click.UsageError(f"{flag} and a new one contradict each other.")
        changes[name] = None
    if not changes:
        raise click.UsageError("Say what to change, such as --name, --email, --legal-name or --no-email.")
    with writing() as session:
        found = change_customer(session, id, CustomerChanges(**changes), actor=actor(), now=utc_now())
        shape = wire.show(CUSTOMER, found)
    print_thing(shape, as_json=as_json)
