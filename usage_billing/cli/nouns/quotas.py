"""``usage-billing quotas``: allowances and the price beyond them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.database import actor, reading
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, wide_option
from usage_billing.cli.frame.rehearsing import careful, check_rehearsal, print_foreseen, rehearsable, rehearse
from usage_billing.cli.frame.times import EFFECTIVE, in_zone
from usage_billing.cli.frame.types import IDENTIFIER, LIMIT, PRICE, PRICE_JSON, QUANTITY, UNIT
from usage_billing.core.choices import Effective
from usage_billing.core.clock import utc_now
from usage_billing.core.decimals import plain
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.wire import noun as wire
from usage_billing.wire.quota import DEFINED_QUOTA, QUOTA
from usage_billing.wire.subscription import CHANGED_SUBSCRIPTION

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from usage_billing.catalog.rollover import QuotaRollover
    from usage_billing.flows.administration.agree import AgreedChange

_COLUMNS = (
    *("id", "planId", "usageType", "version", "monthlyLimit", "price", "unitName", "subscriptionId", "effective"),
    *("effectiveFrom", "effectiveUntil"),
)
_WIDE_ONLY = {"unitName", "effective", "effectiveFrom", "effectiveUntil"}
_EXAMPLE = "quotas create --plan business --usage-type assessment --limit 50 --unit-price 10.00"


_reprice_usage = click.option("--reprice-usage", is_flag=True, help="Also where recorded usage becomes dearer.")


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Define, list and show quotas, and end a subscription's own."""


@command.command(epilog=example(_EXAMPLE))
@click.option("--plan", "plan_id", type=IDENTIFIER, required=True, help="Of which plan.")
@click.option("--usage-type", type=IDENTIFIER, required=True, help="For which usage type.")
@click.option("--limit", type=LIMIT, required=True, help="The allowance a period; `none` never charges.")
@click.option("--unit-price", type=PRICE, help="What each unit beyond the limit costs.")
@click.option("--price", type=PRICE_JSON, help='Or any price, such as \'{"model": "flat", "amount": "99"}\'.')
@click.option("--currency", help="That of the price; it must be the plan's.")
@click.option("--unit-name", type=UNIT, help="What a unit is called on invoices; the usage type's unless given.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="For this subscription alone.")
@click.option(
    "--effective",
    type=EFFECTIVE,
    help="next_period (as a next version unless said), period, now, start, or a time; one without an offset is UTC, or"
    " local to the subscription.",
)
@click.option("--rollover", "periods", type=click.IntRange(1, 366), help="What a period leaves holds so many more.")
@click.option("--rollover-max", "most", type=QUANTITY, help="At most so much is carried over.")
@click.option("--rollover-percent", "percent", type=click.IntRange(1, 100), help="At most so much of the allowance is.")
@click.option("--now", "effective", flag_value=Effective.NOW.value, type=EFFECTIVE, help="The same as --effective now.")
@_reprice_usage
@rehearsable
@json_option
def create(
    *,
    plan_id: str,
    usage_type: str,
    limit: Decimal | None,
    unit_price: Decimal | None,
    price: dict[str, Any] | None,
    subscription_id: str | None,
    effective: str | datetime | None,
    periods: int | None,
    most: Decimal | None,
    percent: int | None,
    dry_run: bool,
    expect_digest: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Define a quota, or its next version.

    The first version of a plan holds from the running period on, and for subscriptions made after it from their start;
    a later one from the next period on, or as --effective says.
    """
    from usage_billing.catalog.service import NewQuota
    from usage_billing.flows.administration.define_quota import define_quota
    from usage_billing.flows.administration.own_quotas import foresee_own
    from usage_billing.flows.administration.plan_quotas import rehearse_for_plan

    cost, carried = _price(unit_price, price), _rollover(periods, most, percent)
    asked = partial(
        NewQuota, plan_id=plan_id, usage_type=usage_type, limit=limit, price=cost, rollover=carried, **given
    )
    if dry_run and subscription_id is None:
        check_rehearsal(dry_run=dry_run, expect_digest=expect_digest)
        new = asked(effective=in_zone(effective, "UTC"))
        rehearse(partial(rehearse_for_plan, new=new), as_json=as_json)
        return
    with careful(dry_run=dry_run, expect_digest=expect_digest, subscription_id=subscription_id) as (
        session,
        precaution,
    ):
        new = asked(subscription_id=subscription_id, effective=in_zone(effective, _zone_of(session, subscription_id)))
        if dry_run and subscription_id is not None:
            look = partial(foresee_own, new=new, owner=subscription_id, precaution=precaution)
            _print_looked(session, look, as_json=as_json)
            return
        made = define_quota(session, new, actor=actor(), now=utc_now(), precaution=precaution)
        shape = wire.show(DEFINED_QUOTA, made)
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("quotas list --plan business"))
@click.option("--plan", "plan_id", type=IDENTIFIER, help="Only of this plan.")
@click.option("--usage-type", type=IDENTIFIER, help="Only for this usage type.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only this subscription's own.")
@click.option("--all", "all_versions", is_flag=True, help="Also versions that a later one replaces, or that ended.")
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


@command.command(epilog=example("quotas end 7 --effective now"))
@click.argument("id", type=click.IntRange(1, MAX_BIGINT))
@click.option(
    "--effective",
    type=EFFECTIVE,
    default=Effective.NEXT_PERIOD.value,
    show_default=True,
    help="next_period, period, now, start, or a time; one without an offset is local to the subscription.",
)
@_reprice_usage
@rehearsable
@json_option
def end(
    *,
    id: int,
    effective: str | datetime,
    reprice_usage: bool,
    dry_run: bool,
    expect_digest: str | None,
    as_json: bool,
) -> None:
    """End the version ID of a quota that is a subscription's own; then the plan's holds."""
    from usage_billing.catalog.queries import get_quota
    from usage_billing.flows.administration.own_quotas import end_own_quota, foresee_end

    check_rehearsal(dry_run=dry_run, expect_digest=expect_digest)
    with reading() as session:
        owner = get_quota(session, id).subscription_id
    with careful(dry_run=dry_run, expect_digest=expect_digest, subscription_id=owner) as (session, precaution):
        at = in_zone(effective, _zone_of(session, owner))
        asked = {"effective": at, "reprice_usage": reprice_usage, "precaution": precaution}
        if dry_run:
            _print_looked(session, partial(foresee_end, quota_id=id, **asked), as_json=as_json)
            return
        shape = wire.show(QUOTA, end_own_quota(session, id, actor=actor(), now=utc_now(), **asked))
    print_thing(shape, as_json=as_json)


def _print_looked(session: Session, look: Callable[..., AgreedChange], *, as_json: bool) -> None:
    from usage_billing.reports.subscriptions import changed_view

    now = utc_now()
    shape = wire.show(CHANGED_SUBSCRIPTION, changed_view(session, look(session, now=now), now=now))
    if as_json:
        print_thing(shape, as_json=True)
    else:
        print_foreseen(shape)


def _zone_of(session: Session, subscription_id: str | None) -> str:
    """The time zone of a subscription, of which there may be none: then UTC."""
    from usage_billing.subscriptions.models import Subscription

    found = None if subscription_id is None else session.get(Subscription, subscription_id)
    return "UTC" if found is None else found.timezone


def _rollover(periods: int | None, most: Decimal | None, percent: int | None) -> QuotaRollover | None:
    from usage_billing.catalog.rollover import QuotaRollover
    from usage_billing.cli.frame.database import load_settings

    if periods is None:
        if most is not None or percent is not None:
            raise click.UsageError("--rollover-max and --rollover-percent need --rollover.")
        return None
    grace = load_settings().grace_seconds
    return QuotaRollover(max=most, max_percent=percent, periods=periods, grace_seconds=grace)


def _price(unit_price: Decimal | None, price: dict[str, Any] | None) -> dict[str, Any]:
    if (unit_price is None) == (price is None):
        raise click.UsageError("Give one of --unit-price and --price.")
    return price or {"model": "per_unit", "unitPrice": plain(unit_price or Decimal(0))}
