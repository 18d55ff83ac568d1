"""The commands of ``usage-billing wallets`` that make grants, and say what becomes of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected, writing
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_thing
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, PRICE, QUANTITY, SOURCE
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.wallet import GRANT, REFUND, WALLET_BALANCE

EXAMPLE = "wallets grant w-acme --amount 1000 --cost 80.00 --key order-4711 --expires 2027-01-01T00:00Z"
_CATEGORIES = ("purchased", "promotional", "adjustment")


@click.command(epilog=example(EXAMPLE))
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
@click.option("--pending", "pending_until_paid", is_flag=True, help="It pays for nothing until it is activated.")
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
        shape = _grant_shape(session, made.id, now=now)
    print_thing(shape, as_json=as_json)


@click.command(epilog=example("wallets void 01a20414-889a-718b-8ca0-84ba671558f5 --used"))
@click.argument("grant_id", metavar="GRANT", type=click.UUID)
@click.option("--used", is_flag=True, help="Also what it pays for at this moment; that looks for another grant.")
@json_option
def void(*, grant_id: UUID, used: bool, as_json: bool) -> None:
    """Take back what is left of a GRANT that was a mistake."""
    from usage_billing.flows.prepaid.grant_life import void_grant

    now = utc_now()
    with writing() as session:
        void_grant(session, grant_id, used=used, actor=actor(), now=now)
        shape = _grant_shape(session, grant_id, now=now)
    print_thing(shape, as_json=as_json)


@click.command(epilog=example("wallets activate 01a20414-889a-718b-8ca0-84ba671558f5"))
@click.argument("grant_id", metavar="GRANT", type=click.UUID)
@json_option
def activate(*, grant_id: UUID, as_json: bool) -> None:
    """Let a GRANT pay that waited to be paid."""
    from datetime import timedelta

    from usage_billing.db.session import transaction
    from usage_billing.flows.prepaid.grant_life import activate_grant

    now = utc_now()
    with connected() as (settings, engine), transaction(engine) as session:
        grace = timedelta(seconds=settings.grace_seconds)
        activate_grant(session, grant_id, actor=actor(), now=now, grace=grace)
        shape = _grant_shape(session, grant_id, now=now)
    print_thing(shape, as_json=as_json)


@click.command(epilog=example("wallets refund 01a20414-889a-718b-8ca0-84ba671558f5 --amount 50 --key ticket-12"))
@click.argument("grant_id", metavar="GRANT", type=click.UUID)
@click.option("--amount", type=QUANTITY, help="How many units; all that is left unless given.")
@click.option("--key", "idempotency_key", type=SOURCE, help="Refunds it once; required with --amount.")
@json_option
def refund(*, grant_id: UUID, as_json: bool, **said: Any) -> None:
    """Take what is left of a bought GRANT out of it; says how much money goes back."""
    from usage_billing.flows.prepaid.grant_life import Refund, refund_grant
    from usage_billing.wallets.queries import get_grant
    from usage_billing.wallets.views import RefundView

    with writing() as session:
        made = refund_grant(session, grant_id, Refund(**said), actor=actor(), now=utc_now())
        view = RefundView(transfer=made, currency=get_grant(session, grant_id).cost_currency)
        shape = wire.show(REFUND, view)
    print_thing(shape, as_json=as_json)


@click.command(epilog=example("wallets reset w-acme --at 2026-12-01T00:00Z"))
@click.argument("id", type=IDENTIFIER)
@click.option("--at", type=TIME, help="The instant; now unless given.")
@click.option("--keep", metavar="MAX", type=QUANTITY, help="Keep at most so much of what is left, in one new grant.")
@click.option("--key", "idempotency_key", type=IDENTIFIER, help="Keeps once; else the instant does.")
@json_option
def reset(*, id: str, as_json: bool, **said: Any) -> None:
    """End the grants of the wallet ID at an instant; what was used before it is paid for still."""
    from datetime import timedelta

    from usage_billing.db.session import transaction
    from usage_billing.flows.prepaid.reset_wallet import Reset, reset_wallet
    from usage_billing.reports.wallets import wallet_view

    now = utc_now()
    with connected() as (settings, engine), transaction(engine) as session:
        grace = timedelta(seconds=settings.grace_seconds)
        reset_wallet(session, id, Reset(**said), actor=actor(), now=now, grace=grace)
        shape = wire.show(WALLET_BALANCE, wallet_view(session, id, now=now))
    print_thing(shape if as_json else {**shape, "grants": len(shape["grants"])}, as_json=as_json)


@click.command(epilog=example("wallets close w-acme --settle"))
@click.argument("id", type=IDENTIFIER)
@click.option("--settle", is_flag=True, help="Refund what was bought, let expire what was given, charge what is owed.")
@json_option
def close(*, id: str, settle: bool, as_json: bool) -> None:
    """Close the wallet ID: nothing is put into it any more."""
    from datetime import timedelta

    from usage_billing.db.session import transaction
    from usage_billing.flows.prepaid.close_wallet import close_wallet
    from usage_billing.reports.wallets import wallet_view

    now = utc_now()
    with connected() as (settings, engine), transaction(engine) as session:
        grace = timedelta(seconds=settings.grace_seconds)
        close_wallet(session, id, settle=settle, actor=actor(), now=now, grace=grace)
        shape = wire.show(WALLET_BALANCE, wallet_view(session, id, now=now))
    print_thing(shape if as_json else {**shape, "grants": len(shape["grants"])}, as_json=as_json)


@click.command(name="open", epilog=example("wallets open w-acme"))
@click.argument("id", type=IDENTIFIER)
@json_option
def open_again(*, id: str, as_json: bool) -> None:
    """Open the closed wallet ID again. What was in it stays gone."""
    from usage_billing.flows.prepaid.close_wallet import open_again as again
    from usage_billing.reports.wallets import wallet_view

    now = utc_now()
    with writing() as session:
        again(session, id, actor=actor(), now=now)
        shape = wire.show(WALLET_BALANCE, wallet_view(session, id, now=now))
    print_thing(shape if as_json else {**shape, "grants": len(shape["grants"])}, as_json=as_json)


def _grant_shape(session: Any, grant_id: UUID, *, now: datetime) -> dict[str, Any]:
    from usage_billing.reports.grants import grant_shown

    return wire.show(GRANT, grant_shown(session, grant_id, now=now)[1])
