"""``usage-billing endpoints``: other systems that are told of events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of
from usage_billing.cli.frame.output import json_option, pick, print_parts, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NAME, NEW_IDENTIFIER
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.endpoint import DELIVERY, ENDPOINT, REPLAY, STATES, TRIED_DELIVERY
from usage_billing.wire.event_type import EventType

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_TYPE = click.Choice(["*", *map(str, EventType)])
_COLUMNS = ("id", "url", "to", "types", "userId", "status", "failingSince", "waiting", "held")
_DELIVERIES = ("id", "eventId", "type", "userId", "state", "tries", "nextAt")
_KEEP = "Keep the secret now: receivers verify with it. `endpoints reveal` shows it again."


@click.group(epilog=example("endpoints create --url https://example.com/hooks --type invoice.paid"))
def command() -> None:
    """Tell others of events by webhooks and mail, and see what became of it."""


@command.command(epilog=example("endpoints create --url https://example.com/hooks --type invoice.paid --ordered"))
@click.argument("id", type=NEW_IDENTIFIER, required=False)
@click.option("--url", help="Where it is: https://...")
@click.option("--email", "to", multiple=True, metavar="ADDRESS", help="Tell this address by mail; repeatable.")
@click.option("--email-customers", is_flag=True, help="Tell each customer by mail, at its own address.")
@click.option("--language", help="Of mail to those who said none, such as de.")
@click.option("--type", "types", type=_TYPE, multiple=True, metavar="TYPE", help="What it is told; all unless given.")
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only events about this customer.")
@click.option("--ordered", is_flag=True, help="The events of a customer wait for each other.")
@click.option("--rate", "rate_per_second", type=click.IntRange(1, 1000), help="How many a second at most.")
@click.option("--description", type=NAME, help="What it is, in words.")
@json_option
def create(*, url: str | None, to: tuple[str, ...], email_customers: bool, as_json: bool, **said: Any) -> None:
    """Tell a URL, or addresses by mail, of events from now on. The secret of a URL is shown this once."""
    from usage_billing.db.session import transaction
    from usage_billing.flows.delivering.mail_endpoints import check_mail_goes
    from usage_billing.flows.delivering.manage_endpoints import NewEndpoint, create_endpoint
    from usage_billing.webhooks.judging import judged
    from usage_billing.webhooks.states import TO_CUSTOMER, EndpointKind

    if bool(url) + bool(to) + email_customers != 1:
        raise click.UsageError("Give one of --url, --email and --email-customers.")
    kind = EndpointKind.WEBHOOK if url else EndpointKind.EMAIL
    whom = TO_CUSTOMER if email_customers else to or None
    new = NewEndpoint(kind=kind, url=url, to=whom, **{**said, "types": said["types"] or ("*",)})
    with connected() as (settings, engine):
        if url:
            judged(url, allowed=settings.webhook_networks_allowed)
        else:
            check_mail_goes(whom, settings)
        with transaction(engine) as session:
            issued = create_endpoint(session, new, under=settings.require_secret(), actor=actor(), now=utc_now())
            shape = _shape(session, issued.endpoint.id)
    print_thing({**shape, "secret": issued.secret}, as_json=as_json)
    if not as_json and issued.secret is not None:
        tell(_KEEP)


@command.command(name="list", epilog=example("endpoints list --status disabled"))
@click.option("--status", type=click.Choice(["active", "disabled"]), help="Only these.")
@limit_option
@wide_option
@json_option
def list_endpoints(*, status: str | None, limit: int, as_json: bool) -> None:
    """List the endpoints by id."""
    from usage_billing.reports.deliveries import endpoint_views
    from usage_billing.webhooks.models import WebhookEndpoint
    from usage_billing.webhooks.queries import endpoints_where

    with reading() as session:
        found = first_rows(session, endpoints_where(status=status).order_by(WebhookEndpoint.id), limit=limit)
        shapes = [wire.show(ENDPOINT, one) for one in endpoint_views(session, found)]
    empty = none_of("endpoints", hint="usage-billing endpoints create --help", status=status)
    rows = shapes if as_json else [pick(one, *_COLUMNS) for one in shapes]
    print_rows(rows, as_json=as_json, empty=empty, wide_only={"failingSince", "userId", "types"})


@command.command(epilog=example("endpoints show books"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the endpoint ID, without its secret."""
    with reading() as session:
        shape = _shape(session, id)
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("endpoints rotate books --overlap 24"))
@click.argument("id", type=IDENTIFIER)
@click.option("--overlap", type=click.IntRange(0, 168), default=24, show_default=True, help="Hours that both sign.")
@json_option
def rotate(*, id: str, overlap: int, as_json: bool) -> None:
    """Make a new secret for the endpoint ID."""
    from usage_billing.db.session import transaction
    from usage_billing.flows.delivering.manage_endpoints import rotate_secret

    length, now = timedelta(hours=overlap), utc_now()
    with connected() as (settings, engine), transaction(engine) as session:
        under = settings.require_secret()
        issued = rotate_secret(session, id, overlap=length, under=under, actor=actor(), now=now)
        shape = _shape(session, id)
    print_thing({**shape, "secret": issued.secret}, as_json=as_json)


@command.command(epilog=example("endpoints reveal books"))
@click.argument("id", type=IDENTIFIER)
@json_option
def reveal(*, id: str, as_json: bool) -> None:
    """Show the secrets of the endpoint ID; the audit log remembers it."""
    from usage_billing.db.session import transaction
    from usage_billing.flows.delivering.manage_endpoints import reveal_secrets

    with connected() as (settings, engine), transaction(engine) as session:
        found = reveal_secrets(session, id, under=settings.require_secret(), actor=actor(), now=utc_now())
    print_thing({"secrets": found}, as_json=as_json)


@command.command(epilog=example("endpoints test books"))
@click.argument("id", type=IDENTIFIER)
def test(*, id: str) -> None:
    """Send the event endpoint.test to the endpoint ID alone."""
    from usage_billing.flows.delivering.manage_endpoints import test_endpoint

    with writing() as session:
        test_endpoint(session, id, actor=actor(), now=utc_now())
    tell(f"It is sent within some seconds: usage-billing endpoints deliveries {id}")


@command.command(epilog=example("endpoints disable books"))
@click.argument("id", type=IDENTIFIER)
@json_option
def disable(*, id: str, as_json: bool) -> None:
    """Send nothing more to the endpoint ID; what happens meanwhile is held."""
    from usage_billing.flows.delivering.manage_endpoints import disable_endpoint

    _change(id, lambda session: disable_endpoint(session, id, actor=actor(), now=utc_now()), as_json=as_json)


@command.command(epilog=example("endpoints enable books --resume all"))
@click.argument("id", type=IDENTIFIER)
@click.option("--resume", type=click.Choice(["all", "failed", "none"]), default="all", show_default=True)
@json_option
def enable(*, id: str, resume: str, as_json: bool) -> None:
    """Send to the endpoint ID again, and of what was held what --resume says."""
    from usage_billing.flows.delivering.manage_endpoints import enable_endpoint

    _change(
        id, lambda session: enable_endpoint(session, id, resume=resume, actor=actor(), now=utc_now()), as_json=as_json
    )


@command.command(epilog=example("endpoints delete books"))
@click.argument("id", type=IDENTIFIER)
def delete(*, id: str) -> None:
    """Forget the endpoint ID and all that was or is to be sent to it."""
    from usage_billing.flows.delivering.manage_endpoints import remove_endpoint

    with writing() as session:
        remove_endpoint(session, id, actor=actor(), now=utc_now())
    tell(f"{id} is forgotten.")


@command.command(epilog=example("endpoints replay books --since 2026-12-01T00:00Z"))
@click.argument("id", type=IDENTIFIER)
@click.option("--since", type=TIME, required=True, help="Events from then on.")
@click.option("--until", type=TIME, help="And before then; now unless given.")
@click.option("--type", "types", type=_TYPE, multiple=True, metavar="TYPE", help="Only of this type; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Also what it took already.")
@json_option
def replay(
    *, id: str, since: datetime, until: datetime | None, types: tuple[str, ...], everything: bool, as_json: bool
) -> None:
    """Send events that never arrived at the endpoint ID again, behind what is new."""
    from usage_billing.flows.delivering.send_again import Span
    from usage_billing.flows.delivering.send_again import replay as send_again

    span = Span(since=since, until=until, types=types or None, failed=not everything)
    with writing() as session:
        started = send_again(session, id, span, actor=actor(), now=utc_now())
    print_thing(wire.show(REPLAY, started), as_json=as_json)


@command.command(epilog=example("endpoints deliveries books --status failed"))
@click.argument("id", type=IDENTIFIER)
@click.option("--status", type=click.Choice(STATES), help="Only these.")
@limit_option
@wide_option
@json_option
def deliveries(*, id: str, status: str | None, limit: int, as_json: bool) -> None:
    """List what was and is to be sent to the endpoint ID, the newest first."""
    from usage_billing.reports.deliveries import deliveries_shown
    from usage_billing.webhooks.models import WebhookDelivery
    from usage_billing.webhooks.queries import deliveries_where, get_endpoint

    with reading() as session:
        get_endpoint(session, id)
        statement = deliveries_where(endpoint_id=id, state=status).order_by(WebhookDelivery.position.desc())
        shapes = [
            wire.show(DELIVERY, one) for one in deliveries_shown(session, first_rows(session, statement, limit=limit))
        ]
    empty = none_of("deliveries", hint="nothing has happened that it is told of", status=status)
    rows = shapes if as_json else [pick(one, *_DELIVERIES) for one in shapes]
    print_rows(rows, as_json=as_json, empty=empty, wide_only={"nextAt", "userId"})


@command.command(epilog=example("endpoints delivery 01a20414-889a-718b-8ca0-84ba671558f5"))
@click.argument("delivery_id", metavar="DELIVERY", type=click.UUID)
@wide_option
@json_option
def delivery(*, delivery_id: UUID, as_json: bool) -> None:
    """Show a DELIVERY with every try."""
    from usage_billing.reports.deliveries import delivery_shown

    with reading() as session:
        shape = wire.show(TRIED_DELIVERY, delivery_shown(session, delivery_id))
    print_parts(shape, {"attempts": "No tries yet."}, as_json=as_json)


def _shape(session: Session, id: str) -> dict[str, Any]:
    from usage_billing.reports.deliveries import endpoint_view

    session.flush()
    return wire.show(ENDPOINT, endpoint_view(session, id))


def _change(id: str, change: Callable[[Session], object], *, as_json: bool) -> None:
    with writing() as session:
        change(session)
        shape = _shape(session, id)
    print_thing(shape, as_json=as_json)
