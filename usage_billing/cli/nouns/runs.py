"""``usage-billing runs``: the logbook of billing."""

from uuid import UUID

import click

from usage_billing.cli.frame.database import reading
from usage_billing.cli.frame.listing import example, first_rows, limit_option
from usage_billing.cli.frame.output import json_option, pick, print_rows, print_thing, wide_option
from usage_billing.wire import noun as wire
from usage_billing.wire.billing_run import RUN

_WIDE_ONLY = {"requestedBy", "startedAt", "finishedAt", "items", "finalized"}
_COLUMNS = (
    *("id", "asOf", "status", "outcome", "dryRun", "requestedBy", "startedAt", "finishedAt", "items", "finalized"),
    "amounts",
)


@click.group(epilog=example("runs list"))
def command() -> None:
    """List and show billing runs."""


@command.command(name="list", epilog=example("runs list --limit 10"))
@limit_option
@wide_option
@json_option
def list_runs(*, limit: int, as_json: bool) -> None:
    """List runs, newest first."""
    from sqlalchemy import select

    from usage_billing.billing_runs.models import BillingRun

    with reading() as session:
        found = first_rows(session, select(BillingRun).order_by(BillingRun.id.desc()), limit=limit)
        rows = [wire.show(RUN, row) for row in found]
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    print_rows(shown, as_json=as_json, wide_only=_WIDE_ONLY, empty="Billing has not run yet: usage-billing bill")


@command.command(epilog=example("runs show 01890a5d-ac96-774b-bcce-b302099a8057"))
@click.argument("id", type=click.UUID)
@json_option
def show(*, id: UUID, as_json: bool) -> None:
    """Show the run ID: how far it is, and what came out."""
    from usage_billing.billing_runs.queries import count_slices, get_run

    with reading() as session:
        run = get_run(session, id)
        done, total = count_slices(session, id)
        shape = {**wire.show(RUN, run), "slicesDone": done, "slices": total}
    print_thing(shape, as_json=as_json)
