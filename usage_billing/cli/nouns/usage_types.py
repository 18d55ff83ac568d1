"""``usage-billing usage-types``: what is counted."""

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of, span_options
from usage_billing.cli.frame.output import json_option, print_rows, print_thing, wide_option
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, UNIT
from usage_billing.core.clock import utc_now
from usage_billing.core.spans import Span
from usage_billing.wire import noun as wire
from usage_billing.wire.usage_type import USAGE_TYPE


@click.group(epilog=example("usage-types create assessment --unit-name assessment"))
def command() -> None:
    """Create, list, show and change usage types."""


@command.command(epilog=example("usage-types create assessment --unit-name assessment"))
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--unit-name", type=UNIT, help="What one of it is called; the id unless given.")
@click.option("--aggregation", default="sum", show_default=True, help="How recordings become one quantity.")
@json_option
def create(*, id: str, unit_name: str | None, aggregation: str, as_json: bool) -> None:
    """Create the usage type ID."""
    from usage_billing.catalog.service import NewUsageType
    from usage_billing.flows.administration.manage_catalog import create_usage_type

    with writing() as session:
        new = NewUsageType(id=id, unit_name=unit_name or id[:64], aggregation=aggregation)
        shape = wire.show(USAGE_TYPE, create_usage_type(session, new, actor=actor(), now=utc_now()))
    print_thing(shape, as_json=as_json)


@command.command(name="list", epilog=example("usage-types list --json"))
@span_options("those made")
@limit_option
@wide_option
@json_option
def list_usage_types(*, span: Span, limit: int, as_json: bool) -> None:
    """List usage types by id."""
    from usage_billing.catalog.models import UsageType
    from usage_billing.catalog.queries import usage_types_where

    statement = usage_types_where(span=span).order_by(UsageType.id)
    with reading() as session:
        rows = [wire.show(USAGE_TYPE, row) for row in first_rows(session, statement, limit=limit)]
    empty = none_of("usage types", hint="usage-billing usage-types create --help", span=span)
    print_rows(rows, as_json=as_json, empty=empty)


@command.command(epilog=example("usage-types show assessment"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the usage type ID."""
    from usage_billing.catalog.models import UsageType
    from usage_billing.catalog.queries import get_named

    with reading() as session:
        shape = wire.show(USAGE_TYPE, get_named(session, UsageType, id))
    print_thing(shape, as_json=as_json)


@command.command(epilog=example("usage-types change assessment --unit-name 'risk assessment'"))
@click.argument("id", type=IDENTIFIER)
@click.option("--unit-name", type=UNIT, required=True, help="The new name of one of it.")
@json_option
def change(*, id: str, unit_name: str, as_json: bool) -> None:
    """Rename the unit of the usage type ID; quotas keep the name they were made with."""
    from usage_billing.flows.administration.manage_catalog import change_usage_type

    with writing() as session:
        shape = wire.show(USAGE_TYPE, change_usage_type(session, id, unit_name=unit_name, actor=actor(), now=utc_now()))
    print_thing(shape, as_json=as_json)
