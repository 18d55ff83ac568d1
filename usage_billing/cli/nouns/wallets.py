"""``usage-billing wallets``: what customers paid for beforehand."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import (
    json_option,
    pick,
    print_json,
    print_parts,
    print_rows,
    print_thing,
    wide_option,
)
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, PRICE, QUANTITY, SOURCE, UNIT
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.wallet import GRANT, TRANSFER, WALLET, WALLET_BALANCE

_COLUMNS = ("id", "category", "status", "amount", "posted", "provisional", "left", "expiresAt")
_LISTED = ("id", "userId", "subscriptionId", "unitName", "usageTypes", "createdAt")
_WIDE_ONLY = {"invoiceId", "debit", "credit"}
_CATEGORIES = ("purchased", "promotional", "adjustment")
_EXAMPLE = "wallets grant w-acme --amount 1000 --cost 80.00 --key order-4711 --expires 2027-01-01T00:00Z"


@click.group(epilog=example("wallets create w-acme --customer acme --unit pages --usage-type page", _EXAMPLE))
def command() -> None:
    """Make wallets, grant into them, and show what is left."""


@command.command(epilog=example("wallets create w-acme --customer acme --unit pages --usage-type page"))
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--customer", "customer_id", type=IDENTIFIER, required=True, help="Whose it is.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="For this subscription alone.")
@click.option("--unit", "unit_name", type=UNIT, required=True, help="The unit that it holds.")
@click.option("--usage-type", "usage_types", type=IDENTIFIER, required=True, multiple=True, help="Repeatable.")
@json_option
def create(*, as_json: bool, **said: Any) -> None:
    """Make the wallet ID, which pays for usage types."""
    from usage_billing.flows.prepaid.manage_wallets import NewWallet, create_wallet
    from usage_billing.reports.wallets import units_of

    with writing() as session:
        made = create_wallet(session, NewWallet(**said), actor=actor(), now=utc_now())
        (shape,) = (wire.show(WALLET, one) for one in units_of(session, [made]))
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
    rows_shown = shapes if as_json else [pick(one | one["unit"], *_LISTED) for one in shapes]
    print_rows(rows_shown, as_json=as_json, empty=none_of("wallets", hint="usage-billing wallets create --help"))


@command.command(epilog=example("wallets show w-acme"))
@click.argument("id", type=IDENTIFIER)
@wide_option
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the wallet ID, its balance of this moment, and its grants."""
    from usage_billing.reports.wallets import wallet_view

    with reading() as session:
        shape = wire.show(WALLET_BALANCE, wallet_view(session, id, now=utc_now()))
    if as_json:
        print_json(shape)
        return
    grants = [pick(grant, *_COLUMNS) for grant in shape["grants"]]
    print_parts({**shape, "grants": grants}, {"grants": "No grants yet."}, as_json=False)


@command.command(epilog=example("wallets entries w-acme"))
@click.argument("id", type=IDENTIFIER)
@limit_option
@wide_option
@json_option
def entries(*, id: str, limit: int, as_json: bool) -> None:
    """List what moved in the wallet ID, the newest first."""
    from usage_billing.wallets.models import Transfer
    from usage_billing.wallets.queries import get_wallet, transfers_of

    with reading() as session:
        get_wallet(session, id)
        found = first_rows(session, transfers_of(id).order_by(Transfer.id.desc()), limit=limit)
        rows = [wire.show(TRANSFER, one) for one in found]
    print_rows(rows, as_json=as_json, empty="Nothing has moved yet.", wide_only=_WIDE_ONLY)


@command.command(epilog=example(_EXAMPLE))
@click.argument("id", type=IDENTIFIER)
@click.option("--amount", type=QUANTITY, required=True, help="How many units.")
@click.option("--key", "idempotency_key", type=SOURCE, required=True, help="Makes it once: an order's number.")
@click.option("--cost", type=PRICE, help="What all of it cost; nothing: it is given.")
@click.option("--currency", "cost_currency", help="Of the cost; that of the customer's plans unless given.")
@click.option("--category", type=click.Choice(_CATEGORIES), help="Purchased with a cost, promotional without one.")
@click.option("--priority", type=click.IntRange(0, 100), default=50, show_default=True, help="Lower ones pay first.")
@click.option("--usage-type", "usage_types", type=IDENTIFIER, multiple=True, help="Only for this one; repeatable.")
@click.option("--subscription", "subscription_ids", type=IDENTIFIER, multiple=True, help="Only for it; repeatable.")
@click.option("--effective", "effective_at", type=TIME, help="From when on it pays; now unless given.")
@click.option("--expires", "expires_at", type=TIME, help="Until when, exclusive; for ever unless given.")
@click.option("--covers-since", type=TIME, help="Also pays for what was used since then and nothing else paid for.")
@json_option
def grant(
    *,
    id: str,
    usage_types: tuple[str, ...],
    subscription_ids: tuple[str, ...],
    as_json: bool,
    **said: Any,
) -> None:
    """Put an amount into the wallet ID."""
    from datetime import timedelta

    from usage_billing.db.session import transaction
    from usage_billing.flows.prepaid.manage_grants import NewGrant, make_grant

    new = NewGrant(usage_types=usage_types or None, subscription_ids=subscription_ids or None, **said)
    now = utc_now()
    with connected() as (settings, engine), transaction(engine) as session:
        grace = timedelta(seconds=settings.grace_seconds)
        made, _ = make_grant(session, id, new, actor=actor(), now=now, grace=grace)
        shape = _grant_shape(session, made.id, wallet_id=id, now=now)
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("wallets void 01a20414-889a-718b-8ca0-84ba671558f5 --used"))
@click.argument("grant_id", metavar="GRANT", type=click.UUID)
@click.option("--used", is_flag=True, help="Also what it pays for at this moment; that looks for another grant.")
@json_option
def void(*, grant_id: UUID, used: bool, as_json: bool) -> None:
    """Take back what is left of a GRANT that was a mistake."""
    from usage_billing.flows.prepaid.manage_grants import void_grant

    now = utc_now()
    with writing() as session:
        gone = void_grant(session, grant_id, used=used, actor=actor(), now=now)
        shape = _grant_shape(session, grant_id, wallet_id=gone.wallet_id, now=now)
    print_thing(shape, as_json=as_json)


def _grant_shape(session: Any, grant_id: UUID, *, wallet_id: str, now: datetime) -> dict[str, Any]:
    from usage_billing.reports.wallets import wallet_view

    grants = wallet_view(session, wallet_id, now=now).grants
    return wire.show(GRANT, next(one for one in grants if one.grant.id == grant_id))
