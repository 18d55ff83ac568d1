"""The commands of ``usage-billing wallets`` for wallets that ask for more, and for what became of that."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option
from usage_billing.cli.frame.output import json_option, print_rows, print_thing, wide_option
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NAME, PRICE, QUANTITY
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.top_up import TOP_UP, TOP_UP_RULE

_PER = ("hour", "day", "week", "month")
_WIDE_ONLY = {"currency", "packageId", "available", "expiresAt", "reference", "reason"}


@click.command(name="top-up-rule", epilog=example("wallets top-up-rule w-acme --below 100 --amount 1000"))
@click.argument("id", type=IDENTIFIER)
@click.option("--below", type=QUANTITY, help="It asks once less than this is available.")
@click.option("--amount", type=QUANTITY, help="For so much.")
@click.option("--up-to", type=QUANTITY, help="For what brings it up to this.")
@click.option("--package", "package_id", type=IDENTIFIER, help="For this package.")
@click.option("--at-most", "most_count", type=click.IntRange(1), help="So many times; with --per.")
@click.option("--per", "most_per", type=click.Choice(_PER), help="Within which time; a month has 30 days.")
@click.option("--cooldown", "cooldown_seconds", type=click.IntRange(0), help="Seconds before it asks again.")
@click.option("--end", is_flag=True, help="End the rule: it asks for nothing more.")
@json_option
def top_up_rule(*, id: str, end: bool, as_json: bool, **said: Any) -> None:
    """Set, or without options show, the rule by which the wallet ID asks for more."""
    from usage_billing.flows.prepaid.manage_top_ups import NewRule, end_rule, set_rule
    from usage_billing.reports.top_ups import rule_of, rule_view

    given = {name: value for name, value in said.items() if value is not None}
    if end and given:
        raise click.UsageError("--end goes with no other option")
    if given and "below" not in given:
        raise click.UsageError("--below is needed to set a rule")
    with writing() if end or given else reading() as session:
        if end:
            rule = end_rule(session, id, actor=actor(), now=utc_now())
        elif given:
            rule = set_rule(session, id, NewRule(**given), actor=actor(), now=utc_now())
        else:
            rule = rule_of(session, id)
        shape = wire.show(TOP_UP_RULE, rule_view(session, rule))
    print_thing(shape, as_json=as_json)


@click.command(name="top-ups", epilog=example("wallets top-ups w-acme"))
@click.argument("id", type=IDENTIFIER)
@limit_option
@wide_option
@json_option
def top_ups(*, id: str, limit: int, as_json: bool) -> None:
    """List what the wallet ID asked for, the latest first."""
    from usage_billing.reports.top_ups import top_up_views, top_ups_where
    from usage_billing.top_ups.models import TopUp
    from usage_billing.wallets.queries import get_wallet

    with reading() as session:
        get_wallet(session, id)
        found = first_rows(session, top_ups_where(wallet_id=id).order_by(TopUp.cycle.desc()), limit=limit)
        rows = [wire.show(TOP_UP, one) for one in top_up_views(session, found)]
    print_rows(rows, as_json=as_json, empty="It asked for nothing yet.", wide_only=_WIDE_ONLY)


@click.command(name="top-up-paid", epilog=example("wallets top-up-paid 01a20414-889a-718b-8ca0-84ba671558f5"))
@click.argument("top_up_id", metavar="TOP_UP", type=click.UUID)
@click.option("--cost", type=PRICE, help="What was paid; needed for units, and of money its amount unless given.")
@click.option("--currency", "cost_currency", help="Of the cost; that of the customer's plans unless given.")
@click.option("--reference", type=NAME, help="What names the payment.")
@click.option("--expires", "expires_at", type=TIME, help="Until when it holds, exclusive; for ever unless given.")
@json_option
def top_up_paid(*, top_up_id: UUID, as_json: bool, **said: Any) -> None:
    """Say that TOP_UP was paid: what was asked for is put into the wallet."""
    from datetime import timedelta

    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.pay_top_up import Payment, pay_top_up
    from usage_billing.reports.top_ups import top_up_views

    with connected() as (settings, engine), transaction(engine) as session:
        grace = timedelta(seconds=settings.grace_seconds)
        paid = pay_top_up(session, top_up_id, Payment(**said), actor=actor(), now=utc_now(), grace=grace)
        shape = wire.show(TOP_UP, top_up_views(session, [paid])[0])
    print_thing(shape, as_json=as_json)


@click.command(name="top-up-failed", epilog=example("wallets top-up-failed 01a20414-889a-718b-8ca0-84ba671558f5"))
@click.argument("top_up_id", metavar="TOP_UP", type=click.UUID)
@click.option("--reason", type=NAME, help="Why it was not paid.")
@json_option
def top_up_failed(*, top_up_id: UUID, reason: str | None, as_json: bool) -> None:
    """Say that TOP_UP was not paid: the wallet asks again after an hour, and twice as long after each failure."""
    from usage_billing.flows.prepaid.manage_top_ups import fail_top_up
    from usage_billing.reports.top_ups import top_up_views

    with writing() as session:
        failed = fail_top_up(session, top_up_id, reason=reason, actor=actor(), now=utc_now())
        shape = wire.show(TOP_UP, top_up_views(session, [failed])[0])
    print_thing(shape, as_json=as_json)
