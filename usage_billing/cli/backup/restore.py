"""``usage-billing restore``: a backup into servers that hold nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.exit_codes import ExitCode
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, tell
from usage_billing.core.errors import ConfigurationError, Conflict

if TYPE_CHECKING:
    from usage_billing.cli.backup.database import Found
    from usage_billing.cli.backup.manifest import Manifest
    from usage_billing.settings import Settings


@click.command(epilog=example("restore /backup/2026-11-29"))
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--replace", is_flag=True, help="Delete what the database and the inbox hold. It cannot be taken back.")
@json_option
def command(*, directory: Path, replace: bool, as_json: bool) -> None:
    """Put the backup in DIRECTORY into DATABASE_URL and REDIS_URL, or into the embedded servers of a stopped `up`.

    No process of the service may run. Exits 1 if API keys of the backup do not hold here, because
    USAGE_BILLING_SECRET is another.
    """
    from usage_billing.cli.backup.manifest import mark_of, read_manifest
    from usage_billing.cli.backup.servers import servers

    manifest = read_manifest(directory)
    with servers(make=True) as settings:
        if settings.inbox != manifest.inbox:
            raise ConfigurationError(
                f"the inbox of the backup was on {manifest.inbox}: set USAGE_BILLING_INBOX={manifest.inbox}"
            )
        _restore(settings, directory, manifest, replace=replace)
        other = mark_of(settings.secret) != manifest.secret
    if as_json:
        print_json({"schema": manifest.schema, "waiting": manifest.waiting, "secretIsAnother": other})
    else:
        click.echo(f"Restored the backup of {manifest.started_at}, with {manifest.waiting} waiting recordings.")
        click.echo(
            "Next: usage-billing verify, then start workers and beat, then the API; or usage-billing up, then verify."
        )
    if other:
        tell("USAGE_BILLING_SECRET is not that of the backup (in secrets.json under `up`): no API key holds.")
        raise click.exceptions.Exit(ExitCode.FINDINGS)


def _restore(settings: Settings, directory: Path, manifest: Manifest, *, replace: bool) -> None:
    from usage_billing.cli.backup import manifest as form
    from usage_billing.cli.backup.database import clear, look_at, require_unused
    from usage_billing.cli.backup.inbox_file import load_inbox, require_empty
    from usage_billing.cli.backup.tools import find_tool, run_tool
    from usage_billing.cli.migration.migrate import is_known, upgrade

    url = settings.require_direct_database().replace("postgresql+psycopg://", "postgresql://", 1)
    found = look_at(url)
    _refuse(found, manifest, replace=replace)
    if not is_known(manifest.schema):
        raise ConfigurationError(
            f"the backup was made by version {manifest.version}, with a schema that this one does not know:"
            " install that version or a later one"
        )
    tool = find_tool("pg_restore", server=found.major)
    require_unused(url)
    if settings.inbox == "redis":
        require_empty(settings.require_redis(), replace=replace)
    if found.tables:
        clear(url)
    words = ("--no-owner", "--no-privileges", "--single-transaction", str(directory / form.DUMP))
    run_tool(tool, url, *words, what="restoring tables", tables=manifest.tables)
    upgrade(settings.require_direct_database())
    if settings.inbox == "redis":
        load_inbox(settings.require_redis(), directory / form.INBOX)


def _refuse(found: Found, manifest: Manifest, *, replace: bool) -> None:
    if found.tables and not replace:
        raise Conflict(
            f"the database has {found.tables} tables: give an empty one, or --replace to delete what is in it",
            code="not_empty",
        )
    if found.major < manifest.server // 10_000:
        raise ConfigurationError(
            f"the backup is of PostgreSQL {manifest.server // 10_000}, the server is PostgreSQL {found.major}:"
            " restore into the same version or a later one"
        )
