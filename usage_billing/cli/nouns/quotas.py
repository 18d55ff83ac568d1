"""``usage-billing quotas``: allowances and the price beyond them."""

from decimal import Decimal
from typing import Any

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, wide_option
from usage_billing.cli.frame.types import IDENTIFIER, LIMIT, PRICE, PRICE_JSON, UNIT
from usage_billing.core.clock import utc_now
from usage_billing.core.decimals import plain
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire import noun as wire
from usage_billing.wire.quota import QUOTA

_COLUMNS = (
    *("id", "planId", "usageType", "version", "monthlyLimit", "price", "unitName", "subscriptionId", "effective"),
    *("effectiveFrom", "effectiveUntil"),
)
_WIDE_ONLY = {"unitName", "effective", "effectiveFrom", "effectiveUntil"}
_EXAMPLE = "quotas create --plan business --usage-type assessment --limit 50 --unit-price 10.00"


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Define, list and show quotas."""


@command.command(epilog=example(_EXAMPLE))
@click.option("--plan", "plan_id", type=IDENTIFIER, required=True, help="Of which plan.")
@click.option("--usage-type", type=IDENTIFIER, required=True, help="For which usage type.")
@click.option("--limit", type=LIMIT, required=True, help="The allowance a period; `none` never charges.")
@click.option("--unit-price", type=PRICE, help="What each unit beyond the limit costs.")
@click.option("--price", type=PRICE_JSON, help='Or any price, such as \'{"model": "flat", "amount": "99"}\'.')
@click.option("--currency", help="That of the price; it must be the plan's.")
@click.option("--unit-name", type=UNIT, help="What a unit is called on invoices; the usage type's unless given.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="For this subscription alone.")
@click.option("--now", "immediate", is_flag=True, help="From now on, in mid-period, instead of from the next period.")
@json_option
def create(
    *,
    plan_id: str,
    usage_type: str,
    limit: Decimal | None,
    unit_price: Decimal | None,
    price: dict[str, Any] | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Define a quota, or its next version.

    The first version holds for all periods; a later one from the next period on, or from now. The past is never
    repriced.
    """
    from usage_billing.catalog.service import NewQuota
    from usage_billing.flows.administration.manage_catalog import define_quota

    new = NewQuota(
        plan_id=plan_id,
        usage_type=usage_type,
        limit=limit,
        price=_price(unit_price, price),
        **given,
    )
    with writing() as session:
        shape = wire.show(QUOTA, define_quota(session, new, actor=actor(), now=utc_now()))
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("quotas list --plan business"))
@click.option("--plan", "plan_id", type=IDENTIFIER, help="Only of this plan.")
@click.option("--usage-type", type=IDENTIFIER, help="Only for this usage type.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only this subscription's own.")
@click.option("--all", "all_versions", is_flag=True, help="Also versions that a later one has replaced.")
@click.option("--replaced", is_flag=True, help="Only those.")
@limit_option
@wide_option
@json_option
def list_quotas(*, all_versions: bool, replaced: bool, limit: int, as_json: bool, **asked: Any) -> None:
    """List quotas by plan and usage type."""
    from usage_billing.catalog.models import UsageQuota
    from usage_billing.catalog.queries import quotas_where

    if all_versions and replaced:
        raise click.UsageError("--all and --replaced contradict each other.")
    statement = quotas_where(current=None if all_versions else not replaced, **asked)
    statement = statement.order_by(UsageQuota.plan_id, UsageQuota.usage_type_id, UsageQuota.version)
    with reading() as session:
        rows = [wire.show(QUOTA, row) for row in first_rows(session, statement, limit=limit)]
    empty = none_of("quotas", hint="usage-billing quotas create --help", replaced=replaced, **asked)
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    print_rows(shown, as_json=as_json, empty=empty, wide_only=_WIDE_ONLY)


@command.command(epilog=example("quotas show 1"))
@click.argument("id", type=click.IntRange(1, MAX_BIGINT))
@json_option
def show(*, id: int, as_json: bool) -> None:
    """Show the version ID of a quota."""
    from usage_billing.catalog.queries import get_quota

    with reading() as session:
        shape = wire.show(QUOTA, get_quota(session, id))
    print_thing(shape, as_json=as_json)


def _price(unit_price: Decimal | None, price: dict[str, Any] | None) -> dict[str, Any]:
    if (unit_price is None) == (price is None):
        raise click.UsageError("Give one of --unit-price and --price.")
    return price or {"model": "per_unit", "unitPrice": plain(unit_price or Decimal(0))}
