"""``usage-billing plans``: what is sold."""

from functools import partial
from typing import Any

import click

from usage_billing.catalog.fees import FeeTiming
from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of, span_options
from usage_billing.cli.frame.output import json_option, print_rows, print_thing, wide_option
from usage_billing.cli.frame.party_types import TAX_CATEGORY
from usage_billing.cli.frame.rehearsing import careful, check_rehearsal, rehearsable, rehearse
from usage_billing.cli.frame.times import EFFECTIVE, in_zone
from usage_billing.cli.frame.types import IDENTIFIER, NAME, NEW_IDENTIFIER, PRICE
from usage_billing.core.choices import INTERVALS, METHODS, Effective, OnDowngrade
from usage_billing.core.clock import utc_now
from usage_billing.core.limits import MAX_COUNT
from usage_billing.core.spans import Span
from usage_billing.wire import noun as wire
from usage_billing.wire.plan import PLAN, PLAN_VERSION

_WIDE_ONLY = {
    "baseFeeTiming",
    "baseFeeUntil",
    "proration",
    "prorateStartAndEnd",
    "onDowngrade",
    "paymentDays",
    "createdAt",
    "taxCategory",
    "customerAlerts",
}


@click.group(epilog=example("plans create business --name Business --currency USD"))
def command() -> None:
    """Create, list, show and rename plans, and define versions of their base fees."""


@command.command(epilog=example("plans create business --name Business --currency USD"))
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--name", type=NAME, required=True, help="What people call it.")
@click.option("--currency", required=True, help="An ISO 4217 code; it never changes.")
@click.option(
    "--interval", type=click.Choice(INTERVALS), default="month", show_default=True, help="How long a period is."
)
@click.option(
    "--interval-count", type=click.IntRange(1, MAX_COUNT), default=1, help="How many intervals make a period."
)
@click.option("--base-fee", type=PRICE, help="What each period costs, used or not.")
@click.option(
    "--base-fee-timing",
    type=click.Choice([timing.value for timing in FeeTiming]),
    default=FeeTiming.ARREARS.value,
    show_default=True,
)
@click.option(
    "--proration",
    type=click.Choice(METHODS),
    default=METHODS[0],
    show_default=True,
    help="How allowance and base fee are divided when something changes in mid-period.",
)
@click.option(
    "--prorate-start-and-end", "prorates_edges", is_flag=True, help="Divide the first period and the last fee too."
)
@click.option(
    "--on-downgrade",
    type=click.Choice([str(choice) for choice in OnDowngrade]),
    default=str(OnDowngrade.KEEP),
    show_default=True,
    help="Where the plan is left: what was free stays free, or is charged as far as it is not covered any more.",
)
@click.option(
    "--payment-days", type=click.IntRange(0, MAX_COUNT), default=30, show_default=True, help="Until an invoice is due."
)
@click.option("--tax-category", type=TAX_CATEGORY, default="S", show_default=True, help="How its base fee is taxed.")
@click.option("--customer-alerts", is_flag=True, help="Let its customers set alerts on their subscriptions.")
@json_option
def create(*, as_json: bool, **given: Any) -> None:
    """Create the plan ID."""
    from usage_billing.catalog.service import NewPlan
    from usage_billing.flows.administration.manage_catalog import create_plan
    from usage_billing.reports.plan_versions import plan_view

    now = utc_now()
    with writing() as session:
        plan = create_plan(session, NewPlan(**given), actor=actor(), now=now)
        shape = wire.show(PLAN, plan_view(session, plan, now=now))
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("plans list --json"))
@span_options("those made")
@limit_option
@wide_option
@json_option
def list_plans(*, span: Span, limit: int, as_json: bool) -> None:
    """List plans by id."""
    from usage_billing.catalog.models import Plan
    from usage_billing.catalog.queries import plans_where
    from usage_billing.reports.plan_versions import plan_views

    statement = plans_where(span=span).order_by(Plan.id)
    with reading() as session:
        found = plan_views(session, first_rows(session, statement, limit=limit), now=utc_now())
        rows = [wire.show(PLAN, view) for view in found]
    empty = none_of("plans", hint="usage-billing plans create --help", span=span)
    print_rows(rows, as_json=as_json, empty=empty, wide_only=_WIDE_ONLY)


@command.command(epilog=example("plans show business"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the plan ID."""
    from usage_billing.catalog.models import Plan
    from usage_billing.catalog.queries import get_named
    from usage_billing.reports.plan_versions import plan_view

    with reading() as session:
        shape = wire.show(PLAN, plan_view(session, get_named(session, Plan, id), now=utc_now()))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("plans change business --name 'Business 2026'"))
@click.argument("id", type=IDENTIFIER)
@click.option("--name", type=NAME, help="The new name.")
@click.option("--tax-category", type=TAX_CATEGORY, help="How its base fee is taxed from now on.")
@click.option("--customer-alerts/--no-customer-alerts", default=None, help="Whether its customers may set alerts.")
@json_option
def change(*, id: str, as_json: bool, **said: Any) -> None:
    """Rename the plan ID, tax it in another way, or let its customers set alerts; currency and interval stay."""
    from usage_billing.flows.administration.manage_catalog import PlanChanges, change_plan
    from usage_billing.reports.plan_versions import plan_view

    if all(value is None for value in said.values()):
        raise click.UsageError("Say what to change: --name, --tax-category or --customer-alerts.")
    now = utc_now()
    with writing() as session:
        plan = change_plan(session, id, PlanChanges(**said), actor=actor(), now=now)
        shape = wire.show(PLAN, plan_view(session, plan, now=now))
    print_thing(shape, as_json=as_json)


@command.group(epilog=example("plans versions list business"))
def versions() -> None:
    """Define and list versions of a plan's base fee."""


@versions.command(name="create", epilog=example("plans versions create business --base-fee 40.00"))
@click.argument("id", type=IDENTIFIER)
@click.option("--base-fee", type=PRICE, required=True, help="What each period costs, used or not.")
@click.option(
    "--base-fee-timing",
    type=click.Choice([timing.value for timing in FeeTiming]),
    help="When it is charged; as before unless given.",
)
@click.option(
    "--effective",
    type=EFFECTIVE,
    default=Effective.NEXT_PERIOD.value,
    show_default=True,
    help="next_period, period, now, start, or a time; one without an offset is UTC.",
)
@click.option("--reprice-usage", is_flag=True, help="Also where fees of periods that have begun become dearer.")
@rehearsable
@json_option
def create_version(
    *, id: str, effective: Any, dry_run: bool, expect_digest: str | None, as_json: bool, **given: Any
) -> None:
    """Define the next version of the base fee of the plan ID."""
    from usage_billing.catalog.plan_versions import NewPlanVersion
    from usage_billing.flows.administration.plan_versions import define_plan_version, rehearse_plan_version

    new = NewPlanVersion(plan_id=id, effective=in_zone(effective, "UTC"), **given)
    if dry_run:
        check_rehearsal(dry_run=dry_run, expect_digest=expect_digest)
        rehearse(partial(rehearse_plan_version, new=new), as_json=as_json)
        return
    with careful(dry_run=dry_run, expect_digest=expect_digest) as (session, precaution):
        made = define_plan_version(session, new, actor=actor(), now=utc_now(), precaution=precaution)
        shape = wire.show(PLAN_VERSION, made)
    print_thing(shape, as_json=as_json)


@versions.command(name="list", epilog=example("plans versions list business"))
@click.argument("id", type=IDENTIFIER)
@json_option
def list_versions(*, id: str, as_json: bool) -> None:
    """List the versions of the base fee of the plan ID."""
    from usage_billing.reports.plan_versions import versions_of_plan

    with reading() as session:
        rows = [wire.show(PLAN_VERSION, row) for row in versions_of_plan(session, id)]
    print_rows(rows, as_json=as_json, empty="There are none.")
