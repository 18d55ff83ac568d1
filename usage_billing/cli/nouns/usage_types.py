"""``usage-billing usage-types``: what is counted, as it is recorded or by meters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.database import actor, reading, writing
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of, span_options
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, wide_option
from usage_billing.cli.frame.party_types import TAX_CATEGORY
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import IDENTIFIER, NEW_IDENTIFIER, UNIT
from usage_billing.cli.nouns.meter_terms import definition_options, level_options, window_of, window_options
from usage_billing.cli.nouns.meters import METER_COMMANDS
from usage_billing.core.clock import utc_now
from usage_billing.core.spans import Span
from usage_billing.wire import noun as wire
from usage_billing.wire.usage_type import USAGE_TYPE

if TYPE_CHECKING:
    from datetime import datetime

    from usage_billing.meters.asked import NewMeter

_COLUMNS = ("id", "unitName", "aggregation", "of", "createdAt")


@click.group(epilog=example("usage-types create assessment --unit-name assessment"))
def command() -> None:
    """Create, list, show and change usage types and meters."""


@command.command(
    epilog=example(
        "usage-types create assessment --unit-name assessment",
        "usage-types create llm-call --quantity-from 'input + output'",
        "usage-types create tokens --of llm-call --value 'input + output' --dimension model",
        "usage-types create seat-days --of seats --aggregation max --value seats --every day --across sum",
    )
)
@click.argument("id", type=NEW_IDENTIFIER)
@click.option("--unit-name", type=UNIT, help="What one of it is called; the id unless given.")
@click.option("--aggregation", default="sum", show_default=True, help="How recordings become one quantity.")
@click.option("--of", type=IDENTIFIER, help="Makes a meter, which counts recordings of that usage type.")
@click.option("--quantity-from", help="The expression that makes the quantity of a recording from its metadata.")
@definition_options
@level_options
@window_options
@click.option("--since", type=TIME, help="A meter counts what occurred from then on; else from now on.")
@click.option("--tax-category", type=TAX_CATEGORY, default="S", show_default=True, help="How charges for it are taxed.")
@json_option
def create(
    *,
    id: str,
    unit_name: str | None,
    aggregation: str,
    of: str | None,
    tax_category: str,
    quantity_from: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Create the usage type ID, or with --of the meter ID."""
    from usage_billing.catalog.service import NewUsageType
    from usage_billing.flows.administration.manage_meters import create as create_usage_type
    from usage_billing.reports.usage_types import usage_type_view

    window = window_of(terms)
    given = {name: value for name, value in terms.items() if value not in (None, ())}
    if of is None and (given or window):
        option = next(iter([*given, *(window or ())])).removesuffix("s").replace("_", "-")
        raise click.UsageError(f"--{option} is a meter's: give --of too.")
    if of is not None and quantity_from is not None:
        raise click.UsageError("--quantity-from is of a usage type that is recorded; a meter has --value.")
    unit = unit_name or id[:64]
    shared: dict[str, Any] = {"id": id, "unit_name": unit, "aggregation": aggregation, "tax_category": tax_category}
    new: NewUsageType | NewMeter = NewUsageType(**shared, quantity_from=quantity_from)
    if of is not None:
        from usage_billing.meters.asked import NewMeter

        new = NewMeter(**shared, of=of, window=window, **given)
    with writing() as session:
        made = create_usage_type(session, new, actor=actor(), now=utc_now())
        shape = wire.show(USAGE_TYPE, usage_type_view(session, made))
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
    from usage_billing.reports.usage_types import usage_type_views

    statement = usage_types_where(span=span).order_by(UsageType.id)
    with reading() as session:
        views = usage_type_views(session, first_rows(session, statement, limit=limit))
        rows = [wire.show(USAGE_TYPE, view) for view in views]
    empty = none_of("usage types", hint="usage-billing usage-types create --help", span=span)
    print_rows(rows if as_json else [pick(row, *_COLUMNS) for row in rows], as_json=as_json, empty=empty)


@command.command(epilog=example("usage-types show assessment"))
@click.argument("id", type=IDENTIFIER)
@json_option
def show(*, id: str, as_json: bool) -> None:
    """Show the usage type ID; of a meter its latest definition."""
    from usage_billing.catalog.models import UsageType
    from usage_billing.catalog.queries import get_named
    from usage_billing.reports.usage_types import usage_type_view

    with reading() as session:
        shape = wire.show(USAGE_TYPE, usage_type_view(session, get_named(session, UsageType, id)))
    print_thing(shape, as_json=as_json)


@command.command(
    epilog=example(
        "usage-types change assessment --unit-name 'risk assessment'",
        "usage-types change tokens --where 'status == \"ok\"'",
        "usage-types change llm-call --quantity-from 'input + 4 * output'",
    )
)
@click.argument("id", type=IDENTIFIER)
@click.option("--unit-name", type=UNIT, help="The new name of one of it.")
@click.option("--quantity-from", help="What makes the quantity of recordings from their metadata.")
@definition_options
@click.option("--effective-from", type=TIME, help="The definition holds for periods that begin then; else from now on.")
@click.option("--tax-category", type=TAX_CATEGORY, help="How charges for it are taxed from now on.")
@json_option
def change(
    *,
    id: str,
    unit_name: str | None,
    quantity_from: str | None,
    effective_from: datetime | None,
    tax_category: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Rename the unit of the usage type ID, tax it in another way, or define anew what is counted.

    Quotas keep the name they were made with. What a meter has counted stays; '' takes --value or --where away. With
    --quantity-from '' senders give the quantity again; it holds for what occurs at --effective-from or later.
    """
    from usage_billing.flows.administration.manage_meters import UsageTypeChanges
    from usage_billing.flows.administration.manage_meters import change as change_usage_type
    from usage_billing.flows.administration.manage_quantities import QuantityChange
    from usage_billing.meters.asked import MeterChanges
    from usage_billing.reports.usage_types import usage_type_view

    given = {name: None if value == "" else value for name, value in terms.items() if value not in (None, ())}
    if quantity_from is not None and given:
        raise click.UsageError("--quantity-from is of a usage type that is recorded; a meter has --value.")
    if unit_name is None and tax_category is None and quantity_from is None and not given:
        options = "--unit-name, --tax-category, --quantity-from, --value, --where, --dimension or --series-limit"
        raise click.UsageError(f"Say what to change: {options}.")
    if effective_from is not None and quantity_from is None and not given:
        raise click.UsageError("--effective-from is of a next definition, and none is given.")
    definition = MeterChanges(given=given, effective_from=effective_from) if given else None
    quantity = None
    if quantity_from is not None:
        quantity = QuantityChange(value=quantity_from or None, effective_from=effective_from)
    with writing() as session:
        changes = UsageTypeChanges(
            unit_name=unit_name, tax_category=tax_category, definition=definition, quantity=quantity
        )
        changed = change_usage_type(session, id, changes, actor=actor(), now=utc_now())
        shape = wire.show(USAGE_TYPE, usage_type_view(session, changed))
    print_thing(shape, as_json=as_json)


for _one in METER_COMMANDS:
    command.add_command(_one)
