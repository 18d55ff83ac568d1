"""``usage-billing events``: what happened, as other systems are told."""

from __future__ import annotations

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, wide_option
from usage_billing.cli.frame.types import IDENTIFIER
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.event import CATALOGUE, EVENT
from usage_billing.wire.event_type import EventType

_COLUMNS = ("id", "type", "timestamp", "userId", "sequence")
_TYPE = click.Choice(list(map(str, EventType)))


@click.group(epilog=example("events list --type invoice.paid"))
def command() -> None:
    """List, show and resend what happened."""


@command.command(name="list", epilog=example("events list --customer acme --type invoice.paid"))
@click.option("--type", "types", type=_TYPE, multiple=True, metavar="TYPE", help="Only of this one; repeatable.")
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only about this customer.")
@click.option("--after", type=IDENTIFIER, metavar="EVENT", help="Only what came after this event.")
@limit_option
@wide_option
@json_option
def list_events(
    *, types: tuple[str, ...], customer_id: str | None, after: str | None, limit: int, as_json: bool
) -> None:
    """List the events of the last 90 days, the oldest first."""
    from usage_billing.outbox.models import OutboxMessage
    from usage_billing.outbox.queries import events_where
    from usage_billing.reports.events import after_event, events_shown

    with reading() as session:
        start = after_event(session, after, pointer="--after")
        found = events_where(after=start, types=types or None, customer_id=customer_id)
        rows = first_rows(session, found.order_by(OutboxMessage.position), limit=limit)
        shapes = [wire.show(EVENT, one) for one in events_shown(session, rows)]
    shown = shapes if as_json else [pick(one, *_COLUMNS) for one in shapes]
    empty = none_of("events", hint="the worker numbers what happens within 5 s", customer_id=customer_id)
    print_rows(shown, as_json=as_json, empty=empty, wide_only={"sequence"})


@command.command(epilog=example("events show evt_0193b1c2d3e47f8091a2b3c4d5e6f708"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the event ID with all that it says."""
    from usage_billing.reports.events import event_shown

    with reading() as session:
        shape = wire.show(EVENT, event_shown(session, id))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("events resend evt_0193b1c2d3e47f8091a2b3c4d5e6f708 --endpoint books"))
@click.argument("id", type=IDENTIFIER)
@click.option("--endpoint", "endpoint_id", type=IDENTIFIER, help="To this one; to all that want it unless given.")
@json_option
def resend(*, id: str, endpoint_id: str | None, as_json: bool) -> None:
    """Send the event ID again, under its id."""
    from usage_billing.flows.delivering.send_again import resend_event

    with writing() as session:
        count = resend_event(session, id, endpoint_id=endpoint_id, actor=actor(), now=utc_now())
    print_thing({"deliveries": count}, as_json=as_json)


@command.command(epilog=example("events types"))
@wide_option
@json_option
def types(*, as_json: bool) -> None:
    """List the types of events, and when each is told."""
    rows = [{"type": str(type_), "when": described.when} for type_, described in CATALOGUE.items()]
    print_rows(rows, as_json=as_json, empty="")
