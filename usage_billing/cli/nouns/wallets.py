"""``usage-billing wallets``: what customers paid for beforehand."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from usage_billing.cli.frame.database import actor, counting, reading, writing
from usage_billing.cli.frame.listing import example, first_of, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import (
    json_option,
    pick,
    print_json,
    print_parts,
    print_rows,
    print_thing,
    tell,
    wide_option,
)
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, QUANTITY, UNIT
from usage_billing.cli.nouns.wallet_grants import EXAMPLE, activate, close, grant, open_again, refund, reset, void
from usage_billing.cli.nouns.wallet_schedules import end_schedule, recur, schedules
from usage_billing.cli.nouns.wallet_top_ups import top_up_failed, top_up_paid, top_up_rule, top_ups
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.wallet import GRANT, NEW_WALLET, PROVISIONAL, TRANSFER, WALLET, WALLET_BALANCE

_COLUMNS = ("id", "category", "status", "amount", "posted", "provisional", "left", "expiresAt")
_STATUSES = ("pending", "active", "closed", "void")
_LISTED = ("id", "userId", "subscriptionId", "unitName", "usageTypes", "currency", "createdAt")
_NONE: dict[str, Any] = {"unitName": None, "usageTypes": None, "currency": None}
_WIDE_ONLY = {"invoiceId", "debit", "credit"}


@click.group(epilog=example("wallets create w-acme --customer acme --unit pages --usage-type page", EXAMPLE))
def command() -> None:
    """Make wallets, grant into them, and show what is left."""


_RECURRING = (recur, schedules, end_schedule)
_ENDING = (reset, close, open_again)
for one in (grant, activate, void, refund, *_ENDING, *_RECURRING, top_up_rule, top_ups, top_up_paid, top_up_failed):
    command.add_command(one)


@command.command(epilog=example("wallets create w-acme --customer acme --unit pages --usage-type page"))
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--customer", "customer_id", type=IDENTIFIER, required=True, help="Whose it is.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="For this subscription alone.")
@click.option("--unit", "unit_name", type=UNIT, help="The unit that it holds.")
@click.option("--usage-type", "usage_types", type=IDENTIFIER, multiple=True, help="Counted in the unit; repeatable.")
@click.option("--currency", help="It holds money in this currency instead of units.")
@click.option("--fees", is_flag=True, help="Its money pays base fees too.")
@click.option("--overdraft", type=QUANTITY, help="What no grant pays for is owed up to this, not charged.")
@json_option
def create(*, as_json: bool, usage_types: tuple[str, ...], **said: Any) -> None:
    """Make the wallet ID, which pays for usage types in units, or for charges in money."""
    from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet, lacks_plan
    from usage_billing.reports.wallets import units_of

    uncovered = "charge" if said["overdraft"] is None else "owe"
    new = NewWallet(**said, usage_types=usage_types or None, uncovered=uncovered)
    with writing() as session:
        made = create_wallet(session, new, actor=actor(), now=utc_now())
        (one,) = units_of(session, [made])
        if lacks_plan(session, made):
            one["warning"] = f"no plan of the customer charges in {made.currency}"
        shape = wire.show(NEW_WALLET, one)
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("wallets list --customer acme"))
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only those of this customer.")
@limit_option
@wide_option
@json_option
def list_wallets(*, customer_id: str | None, limit: int, as_json: bool) -> None:
    """List wallets by id, without their balances."""
    from usage_billing.reports.wallets import units_of
    from usage_billing.wallets.models import Wallet
    from usage_billing.wallets.queries import wallets_where

    with reading() as session:
        rows = first_rows(session, wallets_where(customer_id=customer_id).order_by(Wallet.id), limit=limit)
        shapes = [wire.show(WALLET, one) for one in units_of(session, rows)]
    columns = (*_LISTED, "closedAt") if any(one["closedAt"] for one in shapes) else _LISTED
    rows_shown = shapes if as_json else [pick(_NONE | one | one["unit"], *columns) for one in shapes]
    print_rows(rows_shown, as_json=as_json, empty=none_of("wallets", hint="usage-billing wallets create --help"))


@command.command(epilog=example("wallets show w-acme"))
@click.argument("id", type=IDENTIFIER)
@wide_option
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the wallet ID, its balance of this moment, and its grants that are open or wait to be paid."""
    from usage_billing.reports.wallets import wallet_view
    from usage_billing.wallets.queries import owner_of_wallet

    with counting(customer_of=partial(owner_of_wallet, wallet_id=id)) as session:
        shape = wire.show(WALLET_BALANCE, wallet_view(session, id, now=utc_now()))
    if as_json:
        print_json(shape)
        return
    print_parts({**shape, "grants": _table(shape["grants"])}, {"grants": "No grant is open."}, as_json=False)


@command.command(epilog=example("wallets grants w-acme --status closed"))
@click.argument("id", type=IDENTIFIER)
@click.option("--status", type=click.Choice(_STATUSES), help="Only those that are this.")
@limit_option
@wide_option
@json_option
def grants(*, id: str, status: str | None, limit: int, as_json: bool) -> None:
    """List the grants of the wallet ID, the newest first, closed and void ones too."""
    from usage_billing.reports.grants import grants_page
    from usage_billing.wallets.queries import owner_of_wallet

    with counting(customer_of=partial(owner_of_wallet, wallet_id=id)) as session:
        page = grants_page(session, id, status=status, now=utc_now(), after=None, limit=limit)
        shapes = [wire.show(GRANT, one) for one in page.rows]
    if page.last is not None:
        tell(f"These are the first {limit}; --limit shows more.")
    rows = shapes if as_json else _table(shapes)
    print_rows(rows, as_json=as_json, empty="No grants yet." if status is None else f"No grant is {status}.")


@command.command(epilog=example("wallets entries w-acme"))
@click.argument("id", type=IDENTIFIER)
@click.option("--provisional", is_flag=True, help="What is not posted, instead of what moved.")
@limit_option
@wide_option
@json_option
def entries(*, id: str, provisional: bool, limit: int, as_json: bool) -> None:
    """List what moved in the wallet ID, the newest first, with the balance after it."""
    from usage_billing.reports.wallet_entries import entries_of, provisional_entries
    from usage_billing.wallets.models import Transfer
    from usage_billing.wallets.queries import get_wallet, owner_of_wallet, transfers_of

    with counting(customer_of=partial(owner_of_wallet, wallet_id=id)) as session:
        wallet = get_wallet(session, id)
        if provisional:
            waiting = first_of(provisional_entries(session, wallet, now=utc_now()), limit=limit)
            drawn = [wire.show(PROVISIONAL, one) for one in waiting]
            print_rows(drawn, as_json=as_json, empty="All that was drawn is posted.")
            return
        found = first_rows(session, transfers_of(id).order_by(Transfer.id.desc()), limit=limit)
        rows = [wire.show(TRANSFER, one) for one in entries_of(session, found)]
    print_rows(rows, as_json=as_json, empty="Nothing has moved yet.", wide_only=_WIDE_ONLY)


def _table(shapes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Grants for people: where a reset ended one, when it did, and until when it pays for what was used before."""
    columns = (*_COLUMNS, "resetAt", "closesAt") if any(one["resetAt"] for one in shapes) else _COLUMNS
    said = [one | {"status": "reset"} if one["resetAt"] and one["status"] == "active" else one for one in shapes]
    return [pick(one, *columns) for one in said]
