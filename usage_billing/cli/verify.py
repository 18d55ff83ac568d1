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
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from usage_billing.proofs.queries import Changed
    from usage_billing.reports.verify.difference import Difference

_KEPT = 10_000
_CONNECTIONS = 3  # one that asks, and two that add up what was recorded
_PATIENCE = 24 * 3600  # the recordings of large books take the server minutes
_MOST_CHANGED = 20_000  # of more, all are proven: that reads the recordings in one go


@click.command(epilog=example("verify", "verify --changed", "verify --subscription sub456"))
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only this subscription.")
@click.option("--changed", "only_changed", is_flag=True, help="Only what changed since nothing differed.")
@json_option
def command(*, subscription_id: str | None, only_changed: bool, as_json: bool) -> None:
    """Recompute every summary, item and invoice from the recorded usage, and say what differs.

    It sees one moment, so billing and recording may go on, and it only reads. With --changed it keeps a sum of all rows
    of each summary when nothing differs, and recomputes the next time only the summaries whose sums are others. Exits 0
    when nothing differs and 1 when something does.
    """
    from usage_billing.core.errors import Conflict
    from usage_billing.db.locks import try_lock_proofs
    from usage_billing.db.session import read_only
    from usage_billing.proofs.queries import find_changed, key_of
    from usage_billing.reports.verify.drive_readers import take_time
    from usage_billing.subscriptions.queries import get_subscription

    if subscription_id and only_changed:
        raise click.UsageError("--changed looks at all subscriptions; leave out --subscription")
    with connected(connections=_CONNECTIONS, patience=_PATIENCE) as (settings, engine), read_only(engine) as session:
        if subscription_id:
            get_subscription(session, subscription_id)
        changed = None
        if only_changed:
            if not try_lock_proofs(session):
                raise Conflict("another verify --changed is running; wait until it is done")
            take_time(session)
            key = key_of(settings.require_secret())
            changed = find_changed(session, key, most=_MOST_CHANGED)
        count = _prove(session, subscription_id, changed, as_json=as_json)
        if only_changed and not count:
            _keep(engine, session, changed, key)
    if count:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _prove(session: Session, subscription_id: str | None, changed: Changed | None, *, as_json: bool) -> int:
    """Print what differs, and return how much that is."""
    from usage_billing.reports.verify.books import count_books, find_differences

    found: list[Difference] = []
    count = 0
    ids = None if changed is None else changed.ids
    summaries, recordings = count_books(session, subscription_id=subscription_id, changed=ids)
    with progress() as bar:
        task = bar.add_task("summaries and charges", total=summaries)

        def show(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        for difference in find_differences(session, subscription_id=subscription_id, changed=ids, on_progress=show):
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
        what = f"Recomputed {summaries} summaries from {recordings} recordings."
        if changed is not None:
            what = f"{what} All others are as they were." if ids else "No summary changed since the last proof."
        click.echo(f"{what} {verdict}")
    return count


def _keep(engine: Engine, session: Session, changed: Changed | None, key: int) -> None:
    """Keep the sums of what was proven, as ``session`` saw it."""
    from usage_billing.db.session import see_with, transaction
    from usage_billing.proofs.service import keep_all, keep_changed
    from usage_billing.reports.verify.drive_readers import take_time

    if changed is not None:
        with transaction(engine) as writing:
            keep_changed(writing, changed, key)
        return
    with transaction(engine) as writing:
        see_with(session, writing)
        take_time(writing)
        keep_all(writing, key)
