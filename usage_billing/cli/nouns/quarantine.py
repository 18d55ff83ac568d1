"""``usage-billing quarantine``: recordings that could not be counted, and what to do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from usage_billing.cli.frame.database import actor, connected, reading
from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example, first_rows, limit_option, none_of, span_options
from usage_billing.cli.frame.output import (
    json_option,
    pick,
    print_json,
    print_rows,
    print_thing,
    progress,
    tell,
    wide_option,
)
from usage_billing.cli.frame.types import IDENTIFIER, REASON
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Conflict, NotFound
from usage_billing.metering.states import QuarantineStatus
from usage_billing.wire import noun as wire
from usage_billing.wire.quarantined import QUARANTINED

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

_COLUMNS = ("id", "reason", "detail", "userId", "subscriptionId", "receivedAt", "status")
_WIDE_ONLY = {"detail", "status"}
_PAGE = 500
_STATUSES = [*map(str, QuarantineStatus)]
_ANY = "any"


@click.group(epilog=example("quarantine list"))
def command() -> None:
    """List, show, replay and discard what could not be counted."""


@command.command(name="list", epilog=example("quarantine list --reason unknown_subscription"))
@click.option("--reason", type=REASON, help="Only with this reason.")
@click.option("--status", type=click.Choice([*_STATUSES, _ANY]), default=_STATUSES[0], show_default=True)
@click.option("--customer", "customer_id", type=IDENTIFIER, help="Only what names this customer.")
@click.option("--subscription", "subscription_id", type=IDENTIFIER, help="Only what names this subscription.")
@span_options("those received")
@limit_option
@wide_option
@json_option
def list_quarantined(*, reason: str | None, status: str, limit: int, as_json: bool, **asked: Any) -> None:
    """List what is quarantined, oldest first."""
    from usage_billing.metering.models import QuarantinedUsage
    from usage_billing.metering.queries import quarantined_where

    statement = quarantined_where(status=None if status == _ANY else status, reason=reason, **asked)
    with reading() as session:
        found = first_rows(session, statement.order_by(QuarantinedUsage.id), limit=limit)
        rows = [wire.show(QUARANTINED, row) for row in found]
    shown = rows if as_json else [pick(row, *_COLUMNS) for row in rows]
    state = "" if status == _ANY else f"{status} "
    because = f" as {reason}" if reason else ""
    empty = none_of("recordings in quarantine", hint=f"Nothing is {state}in quarantine{because}.", **asked)
    print_rows(
        shown,
        as_json=as_json,
        empty=empty.removeprefix("There are no recordings in quarantine: "),
        wide_only=_WIDE_ONLY,
    )


@command.command(epilog=example("quarantine show 01890a5d-ac96-774b-bcce-b302099a8057"))
@click.argument("id", type=click.UUID)
@json_option
def show(*, id: UUID, as_json: bool) -> None:
    """Show the recording ID with all that was sent."""
    from usage_billing.metering.models import QuarantinedUsage

    with reading() as session:
        row = session.get(QuarantinedUsage, id)
        if row is None:
            raise NotFound(f"there is nothing quarantined as {id}")
        shape = wire.show(QUARANTINED, row)
    print_thing(shape, as_json=as_json)


def _which(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments that choose recordings: ``ID...`` or ``--all [--reason R]``."""
    for option in (
        json_option,
        click.option("--reason", help="With --all: only those with this reason."),
        click.option("--all", "everything", is_flag=True, help="All that are open."),
        click.argument("ids", type=click.UUID, nargs=-1),
    ):
        function = option(function)
    return function


@command.command(name="replay", epilog=example("quarantine replay --all --reason unknown_subscription"))
@_which
def replay_command(*, ids: tuple[UUID, ...], everything: bool, reason: str | None, as_json: bool) -> None:
    """Count recordings now that what was wrong is put right; exits 1 if one is still refused."""
    from usage_billing.flows.recording.quarantine import replay

    _decide_each(
        lambda session, id: replay(session, id, actor=actor(), now=utc_now()).outcome,
        ids=ids,
        everything=everything,
        reason=reason,
        as_json=as_json,
    )


@command.command(name="discard", epilog=example("quarantine discard 01890a5d-ac96-774b-bcce-b302099a8057"))
@_which
def discard_command(*, ids: tuple[UUID, ...], everything: bool, reason: str | None, as_json: bool) -> None:
    """Decide that recordings are never counted; they stay readable."""
    from usage_billing.flows.recording.quarantine import discard

    _decide_each(
        lambda session, id: discard(session, id, actor=actor(), now=utc_now()).status,
        ids=ids,
        everything=everything,
        reason=reason,
        as_json=as_json,
    )


def _decide_each(
    decide: Callable[[Session, UUID], str], *, ids: Sequence[UUID], everything: bool, reason: str | None, as_json: bool
) -> None:
    """Decide about each recording in a transaction of its own, so that a refused one does not undo the others."""
    if bool(ids) == everything or (reason and not everything):
        raise click.UsageError("Give ids, or --all with or without --reason.")
    results: list[dict[str, Any]] = []
    with connected() as (_, engine), progress() as bar:
        task = bar.add_task("deciding", total=None if everything else len(ids))
        for id in _open_ids(engine, reason) if everything else ids:
            results.append(_one(engine, decide, id, alone=len(ids) == 1))
            bar.advance(task)
    _report(results, as_json=as_json)


def _one(engine: Engine, decide: Callable[[Session, UUID], str], id: UUID, *, alone: bool) -> dict[str, Any]:
    from usage_billing.db.session import transaction

    try:
        with transaction(engine) as session:
            return {"id": str(id), "outcome": decide(session, id), "detail": None}
    except (Conflict, NotFound) as error:
        if alone:
            raise
        return {"id": str(id), "outcome": error.code, "detail": error.message}


def _open_ids(engine: Engine, reason: str | None) -> Iterator[UUID]:
    """The ids of all open recordings, read a page at a time; a recording that stays open is visited once."""
    from usage_billing.db.session import read_only
    from usage_billing.metering.queries import open_ids

    last: UUID | None = None
    while True:
        with read_only(engine) as session:
            page = open_ids(session, reason=reason or None, after=last, at_most=_PAGE)
        if not page:
            return
        yield from page
        last = page[-1]


def _report(results: list[dict[str, Any]], *, as_json: bool) -> None:
    refused = [result for result in results if result["detail"]]
    counts: dict[str, int] = {}
    for result in results:
        counts[result["outcome"]] = counts.get(result["outcome"], 0) + 1
    if as_json:
        print_json({"counts": counts, "results": results})
    else:
        for result in refused:
            tell(f"{result['id']}: {result['detail']}")
        click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "Nothing was open.")
    if refused:
        raise click.exceptions.Exit(ExitCode.FINDINGS)
