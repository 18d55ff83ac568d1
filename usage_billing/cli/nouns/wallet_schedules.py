"""The commands of ``usage-billing wallets`` for grants that recur."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option
from usage_billing.cli.frame.output import json_option, print_rows, print_thing, wide_option
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, QUANTITY, SOURCE, VALIDITY
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.schedule import SCHEDULE

_EXAMPLE = "wallets recur w-acme --amount 1000 --every month --until-next --key allowance"
_WIDE_ONLY = {"walletId", "category", "priority", "usageTypes", "subscriptionIds", "anchor", "createdAt"}


@click.command(epilog=example(_EXAMPLE))
@click.argument("id", type=IDENTIFIER)
@click.option("--amount", type=QUANTITY, required=True, help="How much each grant has.")
@click.option("--every", type=VALIDITY, required=True, help="How often: 'month', or '2 week'.")
@click.option("--key", "idempotency_key", type=SOURCE, required=True, help="Makes it once.")
@click.option("--anchor", type=click.Choice(("anniversary", "calendar")), default="anniversary", show_default=True)
@click.option("--timezone", help="Whose calendar counts; the subscription's, or UTC, unless given.")
@click.option("--starts", "starts_at", type=TIME, help="From when on; now unless given.")
@click.option("--ends", "ends_at", type=TIME, help="Until when, exclusive; it goes on unless given.")
@click.option("--validity", type=VALIDITY, help="How long each grant holds; for ever unless given.")
@click.option("--until-next", is_flag=True, help="Each grant holds until the next one begins.")
@click.option("--rollover", "periods", type=click.IntRange(1, 366), help="What is left holds so many more times.")
@click.option("--rollover-max", "most", type=QUANTITY, help="At most so much is carried over.")
@click.option("--rollover-percent", "percent", type=click.IntRange(1, 100), help="At most so much of the amount is.")
@click.option("--category", type=click.Choice(("promotional", "adjustment")), help="Promotional unless given.")
@click.option("--priority", type=click.IntRange(0, 100), default=50, show_default=True, help="Lower ones pay first.")
@click.option("--usage-type", "usage_types", type=IDENTIFIER, multiple=True, help="Only for this one; repeatable.")
@click.option("--subscription", "subscription_ids", type=IDENTIFIER, multiple=True, help="Only for it; repeatable.")
@json_option
def recur(
    *,
    id: str,
    every: tuple[int, str],
    validity: tuple[int, str] | None,
    periods: int | None,
    most: Decimal | None,
    percent: int | None,
    usage_types: tuple[str, ...],
    subscription_ids: tuple[str, ...],
    as_json: bool,
    **said: Any,
) -> None:
    """Put an amount into the wallet ID again and again."""
    from datetime import timedelta

    from usage_billing.db.session import transaction
    from usage_billing.flows.prepaid.manage_schedules import Carrying, Interval, NewSchedule, make_schedule
    from usage_billing.reports.schedules import schedule_views

    if periods is None and (most is not None or percent is not None):
        raise click.UsageError("--rollover-max and --rollover-percent need --rollover")
    new = NewSchedule(
        rollover=None if periods is None else Carrying(max=most, max_percent=percent, periods=periods),
        **said,
        every=Interval(interval=every[1], interval_count=every[0]),
        validity=None if validity is None else Interval(interval=validity[1], interval_count=validity[0]),
        usage_types=usage_types or None,
        subscription_ids=subscription_ids or None,
    )
    now = utc_now()
    with connected() as (settings, engine), transaction(engine) as session:
        grace = timedelta(seconds=settings.grace_seconds)
        made, _ = make_schedule(session, id, new, actor=actor(), now=now, grace=grace)
        (view,) = schedule_views(session, [made], now=now)
        shape = wire.show(SCHEDULE, view)
    print_thing(shape if as_json else _in_words(shape), as_json=as_json)


@click.command(epilog=example("wallets schedules w-acme"))
@click.argument("id", type=IDENTIFIER)
@limit_option
@wide_option
@json_option
def schedules(*, id: str, limit: int, as_json: bool) -> None:
    """List what recurs in the wallet ID, the first made first."""
    from usage_billing.reports.schedules import schedule_views
    from usage_billing.schedules.models import Schedule
    from usage_billing.schedules.queries import schedules_where
    from usage_billing.wallets.queries import get_wallet

    with reading() as session:
        get_wallet(session, id)
        found = first_rows(session, schedules_where(wallet_id=id).order_by(Schedule.id), limit=limit)
        shapes = [wire.show(SCHEDULE, one) for one in schedule_views(session, found, now=utc_now())]
    rows = shapes if as_json else [_in_words(one) for one in shapes]
    print_rows(rows, as_json=as_json, empty="Nothing recurs in it.", wide_only=_WIDE_ONLY)


@click.command(name="end-schedule", epilog=example("wallets end-schedule 01a20414-889a-718b-8ca0-84ba671558f5"))
@click.argument("schedule_id", metavar="SCHEDULE", type=click.UUID)
@click.option("--at", type=TIME, help="From when on it makes no grant; now unless given.")
@json_option
def end_schedule(*, schedule_id: UUID, at: datetime | None, as_json: bool) -> None:
    """Let a SCHEDULE make no more grants; those that it made stay."""
    from usage_billing.flows.prepaid.manage_schedules import end_schedule
    from usage_billing.reports.schedules import schedule_views

    now = utc_now()
    with writing() as session:
        ended = end_schedule(session, schedule_id, at=at, actor=actor(), now=now)
        (view,) = schedule_views(session, [ended], now=now)
        shape = wire.show(SCHEDULE, view)
    print_thing(shape if as_json else _in_words(shape), as_json=as_json)


def _in_words(shape: dict[str, Any]) -> dict[str, Any]:
    """A schedule with its intervals as they are given."""
    spans = {name: shape[name] for name in ("every", "validity")}
    words = {name: one and f"{one['intervalCount']} {one['interval']}" for name, one in spans.items()}
    carried = shape["rollover"]
    return {**shape, **words, "rollover": carried and f"{carried['periods']} times"}
