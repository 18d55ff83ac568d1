"""``usage-billing migrate``: bring a database to a schema, and say what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.database import load_settings, writing
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, tell, wide_option
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import Conflict, InvalidInput, Unavailable

if TYPE_CHECKING:
    from usage_billing.settings import Settings

NOTHING = "base"


@click.command(epilog=example("migrate", "migrate --dry-run"))
@click.option("--to", "target", default="head", show_default=True, help="A revision, `head`, or `base` for none.")
@click.option("--yes", is_flag=True, help="Go back although that deletes what earlier schemas had no place for.")
@click.option("--dry-run", is_flag=True, help="Say which migrations would run and which drafts change; change nothing.")
@wide_option
@json_option
def command(*, target: str, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the database to the present schema; safe to run twice, and twice at once.

    Going back to an earlier revision deletes tables and columns that came later: it names what it would delete, and
    asks for --yes.
    With --dry-run it changes nothing, says what it would do, and exits with 1 if drafts would change or something go.
    The keys of USAGE_BILLING_ADMIN_KEY and INTERNAL_API_KEY, where they are set, hold from then on.
    """
    from sqlalchemy.exc import OperationalError

    from usage_billing.cli.frame.errors import database_reason
    from usage_billing.cli.migration.losses import check_way_back
    from usage_billing.cli.migration.migrate import downgrade, upgrade
    from usage_billing.cli.migration.rehearsing import rehearse

    settings = load_settings()
    url = settings.require_direct_database()
    if dry_run and yes:
        raise InvalidInput("--yes deletes and --dry-run changes nothing: take one of them")
    if not dry_run and _keys_given(settings):
        settings.require_secret()  # said before anything is changed
    steps = known_revisions()
    wanted = _position(steps, target)
    try:
        before = current_revision(url)
        if wanted < _position(steps, before):
            check_way_back(url, before=before, target=target)
        if dry_run:
            _position(steps, before)
            rehearse(settings, steps, before=before, after=steps[wanted], as_json=as_json)
            return
        if wanted < _position(steps, before):
            _allow_losses(url, before=before, target=target, yes=yes)
            tell(f"Taking back what is above {target}.")
            move = downgrade(url, target)
        else:
            move = upgrade(url, target)
            if wanted == len(steps) - 1 and _keys_given(settings):
                _let_keys_hold(settings)
    except OperationalError as error:
        raise Unavailable(f"the database does not answer ({database_reason(error)})", code="unreachable") from error
    if as_json:
        print_json({"before": move.before, "after": move.after})
    elif move.before == move.after:
        click.echo(f"Nothing to do: the database is at {move.after}.")
    else:
        click.echo(f"Migrated from {move.before} to {move.after}.")


def _allow_losses(url: str, *, before: str, target: str, yes: bool) -> None:
    """Say what going back deletes. Raises Conflict if it deletes anything and ``yes`` is false."""
    from usage_billing.cli.migration.losses import find_losses, losses_in_words

    losses = losses_in_words(find_losses(url, before=before, target=target))
    if losses and not yes:
        raise Conflict(f"going back to {target} needs --yes, because it deletes {losses}")
    if losses:
        tell(f"Deleting {losses}.")


def _keys_given(settings: Settings) -> bool:
    return bool(settings.admin_key or settings.internal_api_key)


def _let_keys_hold(settings: Settings) -> None:
    """Store the hashes of the keys in the environment, as `up` does at its first start."""
    from usage_billing.flows.administration.first_start import prepare

    with writing() as session:
        prepare(
            session,
            admin_key=settings.admin_key,
            internal_key=settings.internal_api_key,
            secret=settings.require_secret(),
            seed=False,
            now=utc_now(),
        )


def known_revisions() -> list[str]:
    """Every revision of this version, from ``base`` to the head."""
    from alembic.script import ScriptDirectory

    from usage_billing.cli.migration.migrate import alembic_config

    script = ScriptDirectory.from_config(alembic_config(""))
    return [NOTHING, *reversed([revision.revision for revision in script.walk_revisions()])]


def current_revision(url: str) -> str:
    """Where the database stands; ``base`` when it is empty. Raises OperationalError."""
    from sqlalchemy import create_engine, inspect, text

    engine = create_engine(url, connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return NOTHING
            return connection.scalar(text("SELECT version_num FROM alembic_version")) or NOTHING
    finally:
        engine.dispose()


def _position(steps: list[str], revision: str) -> int:
    if revision == "head":
        return len(steps) - 1
    if revision not in steps:
        raise InvalidInput(f"there is no revision {revision[:40]}: there are {', '.join(steps)}")
    return steps.index(revision)
