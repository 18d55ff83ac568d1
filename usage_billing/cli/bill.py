"""``usage-billing bill``: one billing run in this process, beside any workers that run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import click

from usage_billing.cli.frame.database import actor, connected
from usage_billing.cli.frame.driving import drive
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, tell
from usage_billing.cli.frame.times import TIME
from usage_billing.cli.frame.types import DIGEST, IDENTIFIER
from usage_billing.core.clock import utc_now
from usage_billing.wire import noun as wire
from usage_billing.wire.billing_run import RUN

_LISTED = 20


@click.command(epilog=example("bill", "bill --as-of 2026-02-01 --dry-run", "bill --expect-digest DIGEST"))
@click.option("--as-of", type=TIME, help="Everything due up to then; now unless given.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only this subscription.")
@click.option("--dry-run", is_flag=True, help="Do all of it and undo it: what would be charged?")
@click.option("--expect-digest", "digest", type=DIGEST, help="Refuse unless it would charge what a dry run showed.")
@json_option
def command(
    *, as_of: datetime | None, subscription_id: str | None, dry_run: bool, digest: str | None, as_json: bool
) -> None:
    """Run billing now: aggregate, rate, invoice, finalize what is due.

    It may be killed and run again, any number of times, also twice at once: the same invoices come out. Exits 1
    if a subscription could not be billed.
    """
    from usage_billing import logs
    from usage_billing.billing_runs.models import RunStatus
    from usage_billing.flows.billing.drive_rehearsal import expect
    from usage_billing.flows.billing.open_run import RunRequest, open_run

    if dry_run and digest:
        raise click.UsageError("--expect-digest is for real runs; a dry run shows its own.")
    request, now = RunRequest(as_of=as_of, subscription_id=subscription_id, dry_run=dry_run), utc_now()
    with connected() as (settings, engine):
        logs.configure(settings, "cli", stderr=False)
        grace, adjust_within = timedelta(seconds=settings.grace_seconds), settings.adjust_within
        if digest:
            request = expect(engine, request, digest, grace=grace, now=now, adjust_within=adjust_within)
        run = drive(settings, engine, partial(open_run, request=request, requested_by=actor(), now=now))
        shape = wire.show(RUN, run)
    if as_json:
        print_json(shape)
    else:
        _say(shape)
    if shape["warnings"] or shape["status"] != RunStatus.COMPLETED:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _say(run: Mapping[str, Any]) -> None:
    amounts = ", ".join(f"{amount} {currency}" for currency, amount in run["amounts"].items()) or "nothing"
    click.echo(f"Billing {'(dry run, undone) ' if run['dryRun'] else ''}as of {run['asOf']}: {run['status']}.")
    click.echo(f"  {run['subscriptions']} subscriptions had something new")
    click.echo(f"  {run['items']} items on {run['invoices']} invoices, changing what is charged by {amounts}")
    paid = ", ".join(f"{amount} {currency}" for currency, amount in run["prepaidApplied"].items())
    click.echo(f"  {run['finalized']} invoices finalized{f', of which grants pay {paid}' if paid else ''}")
    click.echo(f"  digest {run['digest']}")
    click.echo(f"  run {run['id']}")
    for warning in run["warnings"][:_LISTED]:
        tell(f"{warning.get('subscriptionId')}: {warning.get('detail') or warning.get('code')}")
    if len(run["warnings"]) > _LISTED:
        tell(f"... and {len(run['warnings']) - _LISTED} more: usage-billing runs show {run['id']}")
