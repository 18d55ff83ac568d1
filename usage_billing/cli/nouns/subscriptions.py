"""``usage-billing subscriptions``: who is on which plan."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from usage_billing.catalog.fees import FeeTiming
from usage_billing.cli.frame.database import actor, connected, reading
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of, span_options
from usage_billing.cli.frame.output import json_option, pick, print_rows, wide_option
from usage_billing.cli.frame.times import LOCAL_TIME, in_zone
from usage_billing.cli.frame.types import EXACT_JSON, IDENTIFIER, NEW_IDENTIFIER, PRICE
from usage_billing.cli.nouns.subscription_changes import COMMANDS, print_subscription
from usage_billing.core.clock import utc_now
from usage_billing.core.limits import LONGEST_MONTH
from usage_billing.subscriptions.anchors import Anchor
from usage_billing.subscriptions.states import STATUSES
from usage_billing.wire import noun as wire
from usage_billing.wire.subscription import SUBSCRIPTION

if TYPE_CHECKING:
    pass

Moment = str | datetime

_EXAMPLE = "subscriptions create sub456 --customer user123 --plan business --started 2026-01-01"
_COLUMNS = ("id", "userId", "planId", "startedAt", "endedAt", "timezone", "anchor")
_WIDE_ONLY = {"timezone", "anchor"}


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Create, list, show, change, pause, resume and cancel subscriptions, and take back what is planned."""


@command.command(epilog=example(_EXAMPLE))
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--customer", "customer_id", type=IDENTIFIER, required=True, help="Whose it is.")
@click.option("--plan", "plan_id", type=IDENTIFIER, required=True, help="On which plan.")
@click.option("--started", "started_at", type=LOCAL_TIME, help="From when usage counts; now unless given.")
@click.option("--timezone", default="UTC", show_default=True, help="Where its periods begin: an IANA time zone.")
@click.option(
    "--anchor",
    type=click.Choice([anchor.value for anchor in Anchor]),
    default=Anchor.CALENDAR.value,
    show_default=True,
    help="Whether periods follow the calendar or the day it started.",
)
@click.option("--anchor-day", type=click.IntRange(1, LONGEST_MONTH), help="The day of a month that periods begin on.")
@click.option(
    "--quota",
    "quotas",
    type=EXACT_JSON,
    multiple=True,
    help='A quota of its own, such as \'{"usageType": "report", "monthlyLimit": "1000", "unitPrice": "0.50"}\'.',
)
@click.option("--base-fee", type=PRICE, help="A base fee of its own, for each period.")
@click.option(
    "--base-fee-timing", type=click.Choice([timing.value for timing in FeeTiming]), help="When it is charged."
)
@click.option("--allow-backdating", is_flag=True, help="However many invoices the first run then makes.")
@json_option
def create(*, started_at: datetime | None, quotas: tuple[dict[str, Any], ...], as_json: bool, **given: Any) -> None:
    """Create the subscription ID."""
    from usage_billing.catalog.own_quota import own_quota_from
    from usage_billing.core.periods import is_time_zone
    from usage_billing.db.session import transaction
    from usage_billing.flows.administration.manage_subscriptions import create_subscription
    from usage_billing.subscriptions.service import NewSubscription
    from usage_billing.subscriptions.views import subscription_view

    now, zone = utc_now(), given["timezone"]
    own = [own_quota_from(quota) for quota in quotas]
    begins = in_zone(started_at or now, zone if is_time_zone(zone) else "UTC")
    with connected() as (settings, engine), transaction(engine) as session:
        new = NewSubscription(started_at=begins, quotas=own, **given)
        most = settings.max_first_invoices
        made = create_subscription(session, new, actor=actor(), now=now, most_first_invoices=most)
        shape = wire.show(SUBSCRIPTION, subscription_view(session, made, now=now))
    print_subscription(shape, as_json=as_json)


@command.command(name="list", epilog=example("subscriptions list --customer user123 --status active"))
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only of this customer.")
@click.option("--plan", "plan_id", type=IDENTIFIER, help="Only what is on this plan now.")
@click.option("--status", type=click.Choice(STATUSES), help="Only what is so now.")
@span_options("those that start")
@limit_option
@wide_option
@json_option
def list_subscriptions(*, limit: int, as_json: bool, **asked: Any) -> None:
    """List subscriptions by id."""
    from usage_billing.subscriptions.models import Subscription
    from usage_billing.subscriptions.queries import subscriptions_where
    from usage_billing.subscriptions.views import subscription_views

    now = utc_now()
    statement = subscriptions_where(now=now, **asked).order_by(Subscription.id)
    with reading() as session:
        found = subscription_views(session, first_rows(session, statement, limit=limit), now=now)
        rows = [wire.show(SUBSCRIPTION, row) for row in found]
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    empty = none_of("subscriptions", hint="usage-billing subscriptions create --help", **asked)
    print_rows(shown, as_json=as_json, empty=empty, wide_only=_WIDE_ONLY)


@command.command(epilog=example("subscriptions show sub456"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the subscription ID."""
    from usage_billing.subscriptions.queries import get_subscription
    from usage_billing.subscriptions.views import subscription_view

    with reading() as session:
        shape = wire.show(SUBSCRIPTION, subscription_view(session, get_subscription(session, id), now=utc_now()))
    print_subscription(shape, as_json=as_json)


for _one in COMMANDS:
    command.add_command(_one)
