"""``usage-billing usage-types``, what is about meters alone: tried out, looked after, retired, folded."""

from collections.abc import Sequence
from typing import Any

import click

from usage_billing.cli.frame.database import actor, connected, reading, writing
from usage_billing.cli.frame.listing import example, limit_option
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, tell, wide_option
from usage_billing.cli.frame.types import IDENTIFIER, JSON_OBJECT
from usage_billing.cli.nouns.meter_terms import definition_options, level_options, window_of, window_options
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.usage_type import EVALUATION, FOLDING, METER_DEFINITION, USAGE_TYPE


@click.command(epilog=example("usage-types folding"))
@wide_option
@json_option
def folding(*, as_json: bool) -> None:
    """Show how far each meter is: what it has not counted yet, and what it could not count."""
    from usage_billing.meters.progress import fold_states

    with reading() as session:
        rows = [wire.show(FOLDING, state) for state in fold_states(session)]
    print_rows(rows, as_json=as_json, empty="no meters: usage-billing usage-types create --help")


@click.command(epilog=example("usage-types definitions tokens"))
@click.argument("id", type=IDENTIFIER)
@wide_option
@json_option
def definitions(*, id: str, as_json: bool) -> None:
    """List the definitions of the meter ID, or what made quantities of ID, the latest first."""
    from usage_billing.reports.usage_types import definition_views

    with reading() as session:
        rows = [wire.show(METER_DEFINITION, one) for one in definition_views(session, id)]
    print_rows(rows, as_json=as_json, empty=f"{id} is no meter, and its senders give the quantities.")


@click.command(
    epilog=example(
        "usage-types evaluate --value 'input + output' --metadata '{\"input\": 3, \"output\": 4}'",
        "usage-types evaluate --value input --of llm-call --subscription sub456",
    )
)
@click.option("--aggregation", default="sum", show_default=True, help="How recordings become one quantity.")
@definition_options
@level_options
@window_options
@click.option("--quantity-from", help="Instead, what makes the quantity of a usage type that is no meter.")
@click.option("--metadata", type=JSON_OBJECT, help="What to try it on, or:")
@click.option("--subscription", type=IDENTIFIER, help="Its last recordings,")
@click.option("--of", type=IDENTIFIER, help="of this usage type,")
@click.option("--last", type=click.IntRange(1, 100), help="so many; 10 unless given.")
@json_option
def evaluate(*, subscription: str | None, series_limit: int | None, as_json: bool, **given: Any) -> None:
    """Say what a definition would make of recordings; nothing is stored."""
    from usage_billing.reports.evaluations import EvaluationRequest
    from usage_billing.reports.evaluations import evaluate as try_definition

    if series_limit is not None:
        raise click.UsageError("--series-limit changes nothing of what is tried.")
    given["window"] = window_of(given)
    with reading() as session:
        trials = try_definition(session, EvaluationRequest(subscription_id=subscription, **given))
    _print_trials([wire.show(EVALUATION, trial) for trial in trials], as_json=as_json, empty="no recordings.")


@click.command(epilog=example("usage-types skipped tokens"))
@click.argument("id", type=IDENTIFIER)
@limit_option
@wide_option
@json_option
def skipped(*, id: str, limit: int, as_json: bool) -> None:
    """List recordings that have no value for the meter ID, and why."""
    from usage_billing.reports.evaluations import skipped as skipped_by

    with reading() as session:
        trials = skipped_by(session, id, limit=limit)
    rows = [wire.show(EVALUATION, trial) for trial in trials]
    _print_trials(rows, as_json=as_json, empty=f"no recordings without a value for {id}.")


@click.command(epilog=example("usage-types retire tokens"))
@click.argument("id", type=IDENTIFIER)
@json_option
def retire(*, id: str, as_json: bool) -> None:
    """Let the meter ID count nothing that is recorded from now on; what it has counted stays, and is charged."""
    from usage_billing.catalog.models import UsageType
    from usage_billing.catalog.queries import get_named
    from usage_billing.flows.administration.manage_meters import retire_meter
    from usage_billing.reports.usage_types import usage_type_view

    with writing() as session:
        retire_meter(session, id, actor=actor(), now=utc_now())
        shape = wire.show(USAGE_TYPE, usage_type_view(session, get_named(session, UsageType, id)))
    print_thing(shape, as_json=as_json)


@click.command(epilog=example("usage-types fold"))
@json_option
def fold(*, as_json: bool) -> None:
    """Count for all meters what they have not counted yet, now; workers do so all the time."""
    from usage_billing.flows.folding.drive_folds import fold_all

    with connected() as (_, engine):
        done = fold_all(engine, on_progress=lambda recordings: None if as_json else tell(f"{recordings} recordings"))
    print_thing({"recordings": done.recordings, "skipped": done.skipped}, as_json=as_json)


def _print_trials(rows: Sequence[wire.Shape], *, as_json: bool, empty: str) -> None:
    """Dimensions and refusals as one text each in a table."""
    if not as_json:
        rows = [
            {
                **pick(row, "recordId", "counts", "value"),
                "dimensions": ", ".join(f"{name}={value}" for name, value in row["dimensions"].items()),
                "refusals": "; ".join(row["refusals"]),
            }
            for row in rows
        ]
    print_rows(list(rows), as_json=as_json, empty=empty)


METER_COMMANDS = (definitions, evaluate, folding, skipped, retire, fold)
"""The commands of ``usage-types`` that are about meters alone."""
