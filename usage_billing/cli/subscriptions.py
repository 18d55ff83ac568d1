"""``usage-billing subscriptions``: who is on which plan."""

from datetime import datetime

import click
from sqlalchemy import select

from usage_billing.cli.database import actor, reading, writing
from usage_billing.cli.listing import example, first_rows, limit_option
from usage_billing.cli.output import json_option, print_rows, print_thing
from usage_billing.cli.shapes import subscription_shape
from usage_billing.cli.types import IDENTIFIER, TIME
from usage_billing.core.clock import utc_now
from usage_billing.flows.manage_subscriptions import create_subscription, end_subscription
from usage_billing.subscriptions.models import Subscription
from usage_billing.subscriptions.service import NewSubscription, get_subscription

_EXAMPLE = "subscriptions create sub456 --customer user123 --plan business --started 2026-01-01"


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Create, list, show and end subscriptions."""


@command.command(epilog=example(_EXAMPLE))
@click.argument("id", type=IDENTIFIER)
@click.option("--customer", "customer_id", type=IDENTIFIER, required=True, help="Whose it is.")
@click.option("--plan", "plan_id", type=IDENTIFIER, required=True, help="On which plan.")
@click.option("--started", "started_at", type=TIME, help="From when usage counts; now unless given.")
@click.option("--timezone", default="UTC", show_default=True, help="Where its months begin: an IANA time zone.")
@json_option
def create(
    *, id: str, customer_id: str, plan_id: str, started_at: datetime | None, timezone: str, as_json: bool
) -> None:
    """Create the subscription ID."""
    now = utc_now()
    new = NewSubscription(
        id=id, customer_id=customer_id, plan_id=plan_id, started_at=started_at or now, timezone=timezone
    )
    with writing() as session:
        shape = subscription_shape(create_subscription(session, new, actor=actor(), now=now))
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("subscriptions list --customer user123"))
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only of this customer.")
@click.option("--plan", "plan_id", type=IDENTIFIER, help="Only on this plan.")
@limit_option
@json_option
def list_subscriptions(*, customer_id: str | None, plan_id: str | None, limit: int, as_json: bool) -> None:
    """List subscriptions by id."""
    statement = select(Subscription).order_by(Subscription.id)
    if customer_id:
        statement = statement.where(Subscription.customer_id == customer_id)
    if plan_id:
        statement = statement.where(Subscription.plan_id == plan_id)
    with reading() as session:
        rows = [subscription_shape(row) for row in first_rows(session, statement, limit=limit)]
    print_rows(rows, as_json=as_json, empty="There are no subscriptions: usage-billing subscriptions create --help")


@command.command(epilog=example("subscriptions show sub456"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the subscription ID."""
    with reading() as session:
        shape = subscription_shape(get_subscription(session, id))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("subscriptions end sub456 --at 2026-07-01"))
@click.argument("id", type=IDENTIFIER)
@click.option("--at", "ended_at", type=TIME, help="The first instant that no longer counts; now unless given.")
@json_option
def end(*, id: str, ended_at: datetime | None, as_json: bool) -> None:
    """Let the subscription ID end; usage after that is quarantined."""
    now = utc_now()
    with writing() as session:
        ended = end_subscription(session, id, ended_at=ended_at or now, actor=actor(), now=now)
        shape = subscription_shape(ended)
    print_thing(shape, as_json=as_json)
