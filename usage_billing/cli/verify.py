"""``usage-billing verify``: whether the books follow from the recorded usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.database import connected
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, progress
from usage_billing.cli.frame.types import IDENTIFIER

if TYPE_CHECKING:
    from usage_billing.reports.verify.difference import Difference

_KEPT = 10_000


@click.command(epilog=example("verify", "verify --subscription sub456"))
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only this subscription.")
@json_option
def command(*, subscription_id: str | None, as_json: bool) -> None:
    """Recompute every summary, item and invoice from the recorded usage, and say what differs.

    It only reads, and sees one moment, so billing and recording may go on. Exits 0 when nothing differs and 1
    when something does.
    """
    from usage_billing.db.session import read_only
    from usage_billing.reports.verify.books import count_books, find_differences
    from usage_billing.subscriptions.queries import get_subscription

    found: list[Difference] = []
    count = 0
    with connected() as (_, engine), read_only(engine) as session:
        if subscription_id:
            get_subscription(session, subscription_id)
        summaries, recordings = count_books(session, subscription_id=subscription_id)
        with progress() as bar:
            task = bar.add_task("summaries and charges", total=summaries)

            def show(stage: str, done: int, total: int) -> None:
                bar.update(task, description=stage, completed=done, total=total)

            for difference in find_differences(session, subscription_id=subscription_id, on_progress=show):
                count += 1
                if not as_json:
                    click.echo(f"{difference.kind}  {difference.subject}  {difference.message}")
                elif len(found) < _KEPT:
                    found.append(difference)
    if as_json:
        differences = [{"kind": d.kind, "subject": d.subject, "message": d.message} for d in found]
        print_json({"summaries": summaries, "recordings": recordings, "count": count, "differences": differences})
    else:
        verdict = f"{count} differences." if count else "Nothing differs."
        click.echo(f"Recomputed {summaries} summaries from {recordings} recordings. {verdict}")
    if count:
        raise click.exceptions.Exit(ExitCode.FINDINGS)
