"""``usage-billing alerts``: what usage and balances are watched for, and that it happened."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, QUANTITY
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.alert import ALERT, BASES, FIRING, LATE, REARMS, WATCHED

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_EXAMPLE = "alerts create calls-80-100 --subscription s1 --usage-type calls --on percent --at 80 --at 100"
_LISTED = ("id", "scope", "on", "usageType", "thresholds", "every", "endedAt")
_FIRED = ("threshold", "value", "limit", "of", "usageType", "periodStart", "late", "firedAt", "resolvedAt")
_AT = click.option("--at", "thresholds", type=QUANTITY, multiple=True, help="A line; repeatable, ascending.")
_EVERY = click.option("--every", type=QUANTITY, help="Each multiple of it is a line, instead of --at.")
_REARM_ABOVE = click.option("--rearm-above", type=QUANTITY, help="What a balance must come back to.")
_TO = click.option("--to", type=IDENTIFIER, multiple=True, help="An endpoint that is told; repeatable.")


@click.group(epilog=example(_EXAMPLE))
def command() -> None:
    """Watch usage and balances, and tell once when they reach a line."""


@command.command(epilog=example(_EXAMPLE, "alerts create all-spend --all --on amount --currency EUR --every 1000"))
@click.argument("id", type=NEW_IDENTIFIER, required=False)
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="For this subscription.")
@click.option("--plan", "plan_id", type=IDENTIFIER, help="For the subscriptions on this plan.")
@click.option("--customer", "customer_id", type=IDENTIFIER, help="For this customer's subscriptions or wallets.")
@click.option("--wallet", "wallet_id", type=IDENTIFIER, help="For this wallet.")
@click.option("--all", "everything", is_flag=True, help="For every subscription, or every wallet.")
@click.option("--on", "watches", type=click.Choice(WATCHED), required=True, help="What is compared.")
@click.option("--usage-type", type=IDENTIFIER, help="Of this usage type; each by itself unless given, money together.")
@click.option("--basis", type=click.Choice(BASES), help="What 100 percent are; the allowance unless given.")
@click.option("--amount", type=QUANTITY, help="The money that is 100 percent of spend.")
@click.option("--currency", help="The currency of its money; that of the subscription or the plan unless given.")
@_AT
@_EVERY
@click.option("--resolve", is_flag=True, help="Tell also when it comes back from a line.")
@click.option("--rearm", type=click.Choice(REARMS), help="When it is told again; balances on_resolve unless given.")
@_REARM_ABOVE
@click.option("--late", type=click.Choice(LATE), default="tell", show_default=True, help="Usage after its period.")
@_TO
@json_option
def create(*, as_json: bool, thresholds: tuple[Decimal, ...], to: tuple[str, ...], **said: Any) -> None:
    """Make the alert ID. What is reached already is told within seconds."""
    from usage_billing.flows.alerting.alert_checks import NewAlert
    from usage_billing.flows.alerting.manage_alerts import create_alert

    new = NewAlert(**said, thresholds=thresholds or None, to=to or None)
    with writing() as session:
        shape = _shape(session, create_alert(session, new, actor=actor(), now=utc_now()).id)
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("alerts list --customer acme"))
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only those for this subscription alone.")
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only those for this customer.")
@click.option("--ended", is_flag=True, help="Those that have ended, instead of those that hold.")
@limit_option
@wide_option
@json_option
def list_alerts(*, limit: int, as_json: bool, **which: Any) -> None:
    """List alerts by id."""
    from usage_billing.alerts.models import AlertRule
    from usage_billing.alerts.queries import rules_where
    from usage_billing.reports.alerts import alert_views

    with reading() as session:
        found = first_rows(session, rules_where(**which).order_by(AlertRule.id), limit=limit)
        shapes = [wire.show(ALERT, one) for one in alert_views(found)]
    rows = shapes if as_json else [pick(one | {"scope": _named(one["scope"])}, *_LISTED) for one in shapes]
    empty = none_of("alerts", hint="usage-billing alerts create --help")
    print_rows(rows, as_json=as_json, empty=empty, wide_only={"endedAt"})


@command.command(epilog=example("alerts show calls-80-100"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the alert ID."""
    with reading() as session:
        shape = _shape(session, id)
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("alerts change calls-80-100 --at 50 --at 100", "alerts change calls-80-100 --resolve"))
@click.argument("id", type=IDENTIFIER)
@_AT
@_EVERY
@click.option("--resolve/--no-resolve", default=None, help="Whether coming back from a line is told.")
@click.option("--rearm", type=click.Choice(REARMS), help="When it is told again.")
@_REARM_ABOVE
@click.option("--late", type=click.Choice(LATE), help="Usage that comes after its period.")
@_TO
@json_option
def change(*, id: str, as_json: bool, **said: Any) -> None:
    """Change the alert ID; what it told stays told."""
    from usage_billing.flows.alerting.manage_alerts import change_alert

    changes = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
    changes = {name: value for name, value in changes.items() if value not in (None, [])}
    if not changes:
        raise click.UsageError("say what changes")
    with writing() as session:
        change_alert(session, id, changes, actor=actor(), now=utc_now())
        shape = _shape(session, id)
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("alerts end calls-80-100"))
@click.argument("id", type=IDENTIFIER)
def end(*, id: str) -> None:
    """End the alert ID; what it told stays to be read."""
    from usage_billing.flows.alerting.manage_alerts import end_alert

    with writing() as session:
        end_alert(session, id, actor=actor(), now=utc_now())
    tell(f"{id} tells nothing more.")


@command.command(epilog=example("alerts test calls-80-100"))
@click.argument("id", type=IDENTIFIER)
def test(*, id: str) -> None:
    """Tell an event of the alert ID that is marked test; nothing has fired."""
    from usage_billing.flows.alerting.manage_alerts import test_alert

    with writing() as session:
        test_alert(session, id, now=utc_now())
    tell("It is told within some seconds: usage-billing events list --type alert.triggered")


@command.command(epilog=example("alerts firings calls-80-100"))
@click.argument("id", type=IDENTIFIER)
@click.option("--unresolved", is_flag=True, help="Only those that are still to be resolved.")
@limit_option
@wide_option
@json_option
def firings(*, id: str, unresolved: bool, limit: int, as_json: bool) -> None:
    """List what the alert ID told, the newest first."""
    from usage_billing.alerts.models import AlertFiring
    from usage_billing.alerts.queries import firings_of, get_rule
    from usage_billing.reports.alerts import firing_views

    with reading() as session:
        get_rule(session, id)
        statement = firings_of(id, unresolved=unresolved).order_by(AlertFiring.id.desc())
        shapes = [wire.show(FIRING, one) for one in firing_views(session, first_rows(session, statement, limit=limit))]
    rows = (
        shapes if as_json else [pick(one | {"of": one["walletId"] or one["subscriptionId"]}, *_FIRED) for one in shapes]
    )
    print_rows(rows, as_json=as_json, empty="It has told nothing yet.", wide_only={"limit", "periodStart"})


def _named(scope: dict[str, Any]) -> str:
    """The one that an alert is for."""
    return str(next((id for name, id in scope.items() if name != "all"), "all"))


def _shape(session: Session, id: str) -> dict[str, Any]:
    from usage_billing.reports.alerts import alert_view

    return wire.show(ALERT, alert_view(session, id))
