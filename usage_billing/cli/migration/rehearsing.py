"""``usage-billing migrate --dry-run``: which migrations would run, and what that would do to drafts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.output import print_json, print_rows
from usage_billing.cli.migration.layout import DRAFTS, TERMS, find_affected, show_as_migrated
from usage_billing.cli.migration.losses import find_losses, losses_in_words
from usage_billing.core.clock import instant_text, utc_now
from usage_billing.core.decimals import sum_of
from usage_billing.core.money import money_text
from usage_billing.rating.currency import minor_unit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from usage_billing.flows.billing.drafts_anew import DraftChange
    from usage_billing.settings import Settings

_SLICE = 200


@dataclass(slots=True)
class Rehearsal:
    """Items of drafts that the next run after the migration would change; ``unreckoned`` can be billed neither then."""

    changes: Sequence[DraftChange] = ()
    unreckoned: Sequence[str] = ()

    @property
    def has_findings(self) -> bool:
        """Whether there is anything to be looked at before the migration."""
        return bool(self.changes or self.unreckoned)


def rehearse(settings: Settings, steps: list[str], *, before: str, after: str, as_json: bool) -> None:
    """Say which of the migrations ``steps``, in order, would bring a database from ``before`` to ``after``.

    Nothing is changed. Exits with 1 if drafts would change, or if a way back would delete something.
    """
    url = settings.require_direct_database()
    start, end = steps.index(before), steps.index(after)
    losses = find_losses(url, before=before, target=after) if end < start else {}
    taken = steps[start + 1 : end + 1] if start <= end else list(reversed(steps[end + 1 : start + 1]))
    found = _reckon(settings) if steps.index(DRAFTS) <= start < steps.index(TERMS) <= end else Rehearsal()
    migrations = list(_migrations(taken))
    if as_json:
        print_json(
            {
                "before": before,
                "after": after,
                "migrations": migrations,
                "deletes": losses,
                "drafts": [_shape(one) for one in found.changes],
                "sums": _sums(found.changes),
                "notReckoned": list(found.unreckoned),
            }
        )
    else:
        _tell(before, after, migrations, back=end < start)
        if losses:
            click.echo(f"It would delete {losses_in_words(losses)}.")
        _tell_drafts(found)
    if losses or found.has_findings:
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _reckon(settings: Settings) -> Rehearsal:
    """What the next run after the migration of terms would put on drafts."""
    from usage_billing.db.session import make_engine, rolled_back

    engine = make_engine(settings.require_direct_database(), pool_size=1)
    try:
        with rolled_back(engine) as session:
            # One moment; it cannot be a transaction that only reads, for it makes views, which go with it.
            connection = session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            for timeout in ("statement_timeout", "idle_in_transaction_session_timeout"):  # it reckons long between two
                connection.exec_driver_sql(f"SET LOCAL {timeout} = 0")
            show_as_migrated(connection)
            return _reckon_all(session, settings)
    finally:
        engine.dispose()


def _reckon_all(session: Session, settings: Settings) -> Rehearsal:
    from usage_billing.flows.billing.bill_slice import ITS_OWN_FAULT
    from usage_billing.flows.billing.drafts_anew import drafts_anew

    affected, now = find_affected(session.connection()), utc_now()
    unbilled = {one[:3] for one in affected.summaries if one.unbilled}
    changes: list[DraftChange] = []
    unreckoned: list[str] = []
    waiting = [list(affected.opened)[at : at + _SLICE] for at in range(0, len(affected.opened), _SLICE)]
    while waiting:
        ids = waiting.pop(0)
        opened = {id: affected.opened[id] for id in ids}
        try:
            with session.begin_nested():
                found = drafts_anew(session, opened, now=now, adjust_within=settings.adjust_within)
        except ITS_OWN_FAULT:
            if len(ids) == 1:
                unreckoned += ids
            else:
                waiting = [[id] for id in ids] + waiting
            continue
        for one in found:
            one.unbilled = (one.subscription_id, one.usage_type_id, one.item_start) in unbilled
        changes += found
        session.expunge_all()
    return Rehearsal(changes, unreckoned)


def _migrations(revisions: Sequence[str]) -> Iterator[dict[str, str]]:
    from alembic.script import ScriptDirectory

    from usage_billing.cli.migration.migrate import alembic_config

    scripts = ScriptDirectory.from_config(alembic_config(""))
    for revision in revisions:
        script = scripts.get_revision(revision)
        yield {"revision": revision, "does": " ".join((script.doc if script else "").split())}


def _shape(one: DraftChange) -> dict[str, Any]:
    digits = minor_unit(one.currency)
    return {
        "subscriptionId": one.subscription_id,
        "invoiceId": None if one.invoice_id is None else str(one.invoice_id),
        "kind": one.invoice_kind,
        "periodStart": instant_text(one.period_start),
        "periodEnd": instant_text(one.period_end),
        "usageType": one.usage_type_id,
        "item": one.item_kind,
        "itemStart": instant_text(one.item_start),
        "currency": one.currency,
        "amountBefore": money_text(one.now, digits),
        "amount": money_text(one.then, digits),
        "difference": money_text(one.difference, digits),
        "unbilled": one.unbilled,
    }


def _sums(changes: Sequence[DraftChange]) -> list[dict[str, Any]]:
    return [
        {
            "currency": currency,
            "drafts": len({(c.subscription_id, c.invoice_kind, c.period_end) for c in of_it}),
            "amountBefore": money_text(sum_of(c.now for c in of_it), digits),
            "amount": money_text(sum_of(c.then for c in of_it), digits),
            "difference": money_text(sum_of(c.difference for c in of_it), digits),
        }
        for currency in sorted({change.currency for change in changes})
        for of_it, digits in [([change for change in changes if change.currency == currency], minor_unit(currency))]
    ]


def _tell(before: str, after: str, migrations: Sequence[dict[str, str]], *, back: bool) -> None:
    if not migrations:
        click.echo(f"Nothing to do: the database is at {before}.")
        return
    what = "would be taken back" if back else "would run"
    count = "1 migration" if len(migrations) == 1 else f"{len(migrations)} migrations"
    click.echo(f"From {before} to {after}: {count} {what}. Nothing was changed.")
    print_rows(migrations, as_json=False, empty="")


def _tell_drafts(found: Rehearsal) -> None:
    if found.changes:
        click.echo("\nOn drafts the next run would change:")
        rows = [_shape(one) for one in found.changes]
        print_rows(rows, as_json=False, empty="", wide_only=("invoiceId", "kind", "item", "periodEnd"))
        click.echo("\nSums:")
        print_rows(_sums(found.changes), as_json=False, empty="")
        if any(change.unbilled for change in found.changes):
            click.echo("Unbilled: the amount has usage that no run has rated yet. Let the version before bill first.")
    if found.unreckoned:
        click.echo(f"\nCould not be reckoned: {', '.join(found.unreckoned)}")
