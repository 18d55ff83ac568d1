"""``usage-billing subscriptions``: what is changed of one, planned, looked at before, and taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.database import actor, writing
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_parts
from usage_billing.cli.frame.rehearsing import careful, print_foreseen, rehearsable
from usage_billing.cli.frame.times import LOCAL_TIME, MOMENT, in_zone
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.core.choices import Own
from usage_billing.core.clock import utc_now
from usage_billing.core.limits import MAX_BIGINT
from usage_billing.subscriptions.moments import LATER_USAGE, NOW, REFUSE, VOID
from usage_billing.wire import noun as wire
from usage_billing.wire.subscription import CHANGED_SUBSCRIPTION

if TYPE_CHECKING:
    from usage_billing.flows.administration.agree import AgreedChange

Moment = str | datetime

_OWN = click.Choice([own.value for own in Own])
_at = click.option(
    "--at",
    type=MOMENT,
    default=NOW,
    show_default=True,
    help="now, period_end, or a time; one without an offset is local to its time zone.",
)
_later_usage = click.option(
    "--later-usage",
    type=click.Choice(LATER_USAGE),
    default=REFUSE,
    show_default=True,
    help="What becomes of usage after that moment: the change is refused for it, or it is taken back.",
)


@click.command(epilog=example("subscriptions end sub456 --at 2026-07-01"))
@click.argument("id", type=IDENTIFIER)
@click.option("--at", "ended_at", type=LOCAL_TIME, help="The first instant that no longer counts; now unless given.")
@json_option
def end(*, id: str, ended_at: datetime | None, as_json: bool) -> None:
    """Let the subscription ID end; usage after that is quarantined. The same as cancel."""
    from usage_billing.flows.administration.change_subscription import cancel as cancel_subscription

    _change(cancel_subscription, id, ended_at or NOW, as_json=as_json)


@click.command(name="change-plan", epilog=example("subscriptions change-plan sub456 --plan gold --at period_end"))
@click.argument("id", type=IDENTIFIER)
@click.option("--plan", "plan_id", type=IDENTIFIER, required=True, help="The plan to move to, in the same currency.")
@_at
@click.option(
    "--own-quotas",
    type=_OWN,
    default=Own.KEEP.value,
    show_default=True,
    help="Of its own.",
)
@click.option(
    "--own-base-fee",
    type=_OWN,
    default=Own.END.value,
    show_default=True,
    help="Of its own.",
)
@rehearsable
@json_option
def change_plan(
    *, id: str, plan_id: str, at: Moment, own_quotas: str, own_base_fee: str, as_json: bool, **looked_at: Any
) -> None:
    """Move the subscription ID to another plan; both parts of the period are billed by their own plan."""
    from usage_billing.flows.administration.change_subscription import change_plan as move_to_plan

    own = {"quotas": own_quotas, "base_fee": own_base_fee}
    _change(partial(move_to_plan, plan_id=plan_id, own=own), id, at, as_json=as_json, **looked_at)


@click.command(epilog=example("subscriptions pause sub456"))
@click.argument("id", type=IDENTIFIER)
@_at
@_later_usage
@rehearsable
@json_option
def pause(*, id: str, at: Moment, later_usage: str, as_json: bool, **looked_at: Any) -> None:
    """Pause the subscription ID: until it is resumed nothing is charged, and what is recorded is quarantined."""
    from usage_billing.flows.administration.change_subscription import pause as pause_subscription

    flow = partial(pause_subscription, later_usage=later_usage)
    _change(flow, id, at, as_json=as_json, takes_back=later_usage == VOID, **looked_at)


@click.command(epilog=example("subscriptions resume sub456 --at 2026-07-01"))
@click.argument("id", type=IDENTIFIER)
@_at
@rehearsable
@json_option
def resume(*, id: str, at: Moment, as_json: bool, **looked_at: Any) -> None:
    """Resume the paused subscription ID."""
    from usage_billing.flows.administration.change_subscription import resume as resume_subscription

    _change(resume_subscription, id, at, as_json=as_json, **looked_at)


@click.command(epilog=example("subscriptions cancel sub456 --at period_end"))
@click.argument("id", type=IDENTIFIER)
@_at
@_later_usage
@rehearsable
@json_option
def cancel(*, id: str, at: Moment, later_usage: str, as_json: bool, **looked_at: Any) -> None:
    """Cancel the subscription ID; its final invoice is due at that moment."""
    from usage_billing.flows.administration.change_subscription import cancel as cancel_subscription

    flow = partial(cancel_subscription, later_usage=later_usage)
    _change(flow, id, at, as_json=as_json, takes_back=later_usage == VOID, **looked_at)


@click.command(name="move-start", epilog=example("subscriptions move-start sub456 --to 2026-01-01"))
@click.argument("id", type=IDENTIFIER)
@click.option("--to", "started_at", type=LOCAL_TIME, required=True, help="From when its usage counts.")
@json_option
def move_start(*, id: str, started_at: datetime, as_json: bool) -> None:
    """Let the subscription ID have started at another time, while no invoice of it is final.

    The answer names recordings in quarantine that now fit: `usage-billing quarantine replay` counts them.
    """
    from usage_billing.flows.administration.move_start import move_start as move_its_start
    from usage_billing.reports.subscriptions import changed_view
    from usage_billing.subscriptions.queries import get_subscription

    now = utc_now()
    with writing() as session:
        begins = in_zone(started_at, get_subscription(session, id).timezone)
        done = move_its_start(session, id, started_at=begins, actor=actor(), now=now)
        shape = wire.show(CHANGED_SUBSCRIPTION, changed_view(session, done, now=now))
    print_subscription(shape, as_json=as_json)


@click.command(name="take-back", epilog=example("subscriptions take-back sub456 7"))
@click.argument("id", type=IDENTIFIER)
@click.argument("change_id", metavar="CHANGE", type=click.IntRange(1, MAX_BIGINT))
@json_option
def take_back(*, id: str, change_id: int, as_json: bool) -> None:
    """Take back the planned CHANGE of the subscription ID, a cancellation too; `show` lists what is planned."""
    from usage_billing.flows.administration.change_subscription import take_back as take_back_change
    from usage_billing.reports.subscriptions import changed_view

    now = utc_now()
    with writing() as session:
        done = take_back_change(session, id, change_id, actor=actor(), now=now)
        shape = wire.show(CHANGED_SUBSCRIPTION, changed_view(session, done, now=now))
    print_subscription(shape, as_json=as_json)


def _change(
    flow: Callable[..., AgreedChange],
    id: str,
    at: Moment,
    *,
    as_json: bool,
    dry_run: bool = False,
    expect_digest: str | None = None,
    takes_back: bool = False,
) -> None:
    from usage_billing.flows.administration.situation import When
    from usage_billing.reports.subscriptions import changed_view
    from usage_billing.subscriptions.queries import get_subscription

    now = utc_now()
    with careful(dry_run=dry_run, expect_digest=expect_digest, subscription_id=id, takes_back=takes_back) as (
        session,
        precaution,
    ):
        moment = in_zone(at, get_subscription(session, id).timezone)
        done = flow(session, id, when=When(moment=moment), actor=actor(), now=now, precaution=precaution)
        shape = wire.show(CHANGED_SUBSCRIPTION, changed_view(session, done, now=now))
    if dry_run and not as_json:
        print_foreseen(shape)
    else:
        print_subscription(shape, as_json=as_json)


def print_subscription(shape: wire.Shape, *, as_json: bool) -> None:
    """A subscription, then its terms and what is planned as tables."""
    print_parts(shape, {"terms": "", "scheduled": "Nothing is planned."}, as_json=as_json)


COMMANDS = (end, change_plan, pause, resume, cancel, move_start, take_back)
"""The commands that change a subscription."""
