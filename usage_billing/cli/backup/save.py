"""``usage-billing backup``: a folder from which everything that was accepted, counted and charged can be restored."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.output import json_option, print_json, tell
from usage_billing.core.clock import instant_text, utc_now
from usage_billing.core.errors import Conflict

if TYPE_CHECKING:
    from usage_billing.cli.backup.manifest import Manifest
    from usage_billing.settings import Settings

_PRIVATE = 0o700


@click.command(epilog=example("backup /backup/2026-11-29"))
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@json_option
def command(*, directory: Path, as_json: bool) -> None:
    """Copy the inbox and then the database into DIRECTORY, which must be new or empty. Everything may go on running.

    Whatever was answered 202 before the command began is in it. USAGE_BILLING_SECRET is not: keep it as well.
    """
    from usage_billing.cli.backup.manifest import NAME
    from usage_billing.cli.backup.servers import servers

    if directory.exists() and any(directory.iterdir()):
        raise Conflict(f"{directory} is not empty: give a new folder", code="not_empty")
    with servers(make=False) as settings:
        directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        directory.chmod(_PRIVATE)
        try:
            manifest = _save(settings, directory, now=utc_now())
        except BaseException:
            for path in directory.iterdir():
                path.unlink()
            raise
    size = sum(int(file["bytes"]) for file in manifest.files.values())
    if as_json:
        print_json({"directory": str(directory), "bytes": size, "schema": manifest.schema, "waiting": manifest.waiting})
        return
    click.echo(f"Saved {size} bytes and {manifest.waiting} waiting recordings in {directory}, with {NAME}.")
    click.echo("USAGE_BILLING_SECRET is not in it: without it no API key holds after a restore.")


def _save(settings: Settings, directory: Path, *, now: datetime) -> Manifest:
    from usage_billing import __version__
    from usage_billing.cli.backup import manifest as form
    from usage_billing.cli.backup.database import look_at
    from usage_billing.cli.backup.inbox_file import save_inbox
    from usage_billing.cli.backup.tools import find_tool, run_tool

    url = settings.require_direct_database().replace("postgresql+psycopg://", "postgresql://", 1)
    found = look_at(url)
    found.require_schema()
    dump = find_tool("pg_dump", server=found.major)  # before the first copy is made
    waiting = 0
    if settings.inbox == "redis":
        waiting = save_inbox(settings.require_redis(), directory / form.INBOX)
        tell(f"copied the inbox: {waiting} recordings wait")
    words = ("--format=custom", "--no-owner", "--no-privileges", "--no-comments", f"--file={directory / form.DUMP}")
    run_tool(dump, url, *words, what="dumping tables", tables=found.tables)
    manifest = form.Manifest(
        format=form.FORMAT,
        version=__version__,
        schema=found.schema,
        server=found.server,
        tables=found.tables,
        inbox=settings.inbox,
        waiting=waiting,
        secret=form.mark_of(settings.secret),
        started_at=instant_text(now),
        files={path.name: form.digest_of(path) for path in sorted(directory.iterdir())},
    )
    form.write_manifest(directory, manifest)
    return manifest
