"""``usage-billing credits``: what customers have in hand."""

from decimal import Decimal
from typing import Any

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option
from usage_billing.cli.frame.output import json_option, print_parts, print_thing, wide_option
from usage_billing.cli.frame.types import AMOUNT, IDENTIFIER, REASON, SOURCE
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.credit import BALANCE, CREDIT_ENTRY, GIVEN_CREDIT

_EXAMPLE = "credits give user123 --amount 25.00 --currency USD --reason 'two hours without service'"


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Give customers credit by hand, and show what they have."""


@command.command(epilog=example(_EXAMPLE))
@click.argument("id", type=IDENTIFIER)
@click.option("--amount", type=AMOUNT, required=True, help="How much, in units of the currency.")
@click.option("--currency", required=True, help="An ISO 4217 code such as USD.")
@click.option("--reason", type=REASON, required=True, help="Why; the audit log keeps it.")
@click.option("--key", type=SOURCE, help="Gives it once: the same key again changes nothing.")
@json_option
def give(*, id: str, amount: Decimal, currency: str, reason: str, key: str | None, as_json: bool) -> None:
    """Give the customer ID credit; its next invoices in that currency use it."""
    from usage_billing.balances.service import NewCredit
    from usage_billing.flows.administration.give_credit import give_credit

    new = NewCredit(amount=amount, currency=currency, reason=reason, idempotency_key=key)
    with writing() as session:
        shape = wire.show(GIVEN_CREDIT, give_credit(session, id, new, actor=actor(), now=utc_now()))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("credits show user123"))
@click.argument("id", type=IDENTIFIER)
@limit_option
@wide_option
@json_option
def show(*, id: str, limit: int, as_json: bool) -> None:
    """Show what the customer ID has in hand, and how it came and went, newest first."""
    from usage_billing.balances.models import CreditEntry
    from usage_billing.balances.queries import balances_of, entries_of
    from usage_billing.customers.queries import get_customer

    with reading() as session:
        customer = get_customer(session, id)
        entries = first_rows(session, entries_of(id).order_by(CreditEntry.id.desc()), limit=limit)
        shape: dict[str, Any] = {
            "userId": customer.id,
            "balances": [wire.show(BALANCE, balance) for balance in balances_of(session, id)],
            "entries": [wire.show(CREDIT_ENTRY, entry) for entry in entries],
        }
    print_parts(shape, {"balances": "No credit yet.", "entries": "No changes yet."}, as_json=as_json)
