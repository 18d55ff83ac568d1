"""``usage-billing logs``: what the processes of this machine wrote into their log files."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from usage_billing.cli.frame.database import load_settings
from usage_billing.cli.frame.listing import example
from usage_billing.cli.frame.times import SINCE
from usage_billing.cli.logbook.levels import LEVELS, PROCESSES
from usage_billing.core.clock import utc_now
from usage_billing.core.errors import NotFound

if TYPE_CHECKING:
    from usage_billing.cli.logbook.entries import Asked
    from usage_billing.cli.logbook.files import LogFiles

_LAST = 100


@click.command(
    epilog=example("logs --level WARNING --since 1h", "logs --follow --id 01890a5d-ac96-774b-bcce-b302099a8057")
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@click.option("--id", "wanted", help="Only lines with this id: of a request, a recording, a run, anything.")
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Only lines at least so severe.")
@click.option("--process", type=click.Choice(PROCESSES), help="Only lines of these processes.")
@click.option("--since", type=SINCE, help="Only lines from then on, such as 30m, 2d or 2026-01-31.")
@click.option("--limit", type=click.IntRange(1), help=f"The last so many; all with --since, else {_LAST}.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they are: JSON, one a line.")
def command(
    *,
    follow: bool,
    wanted: str | None,
    level: str | None,
    process: str | None,
    since: datetime | timedelta | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """Show the log of this machine's processes, oldest line first. Secrets are not in it.

    It reads the files of USAGE_BILLING_LOGS, or those of a running `usage-billing up`.
    """
    from usage_billing.cli.logbook.entries import Asked
    from usage_billing.cli.logbook.files import LogFiles

    folder = load_settings().logs
    start = utc_now() - since if isinstance(since, timedelta) else since
    files = LogFiles(folder, first=start.astimezone(UTC).date() if start else None)
    if not folder.is_dir() or not (files.names() or follow or start):
        raise NotFound(f"there is no log file in {folder.absolute()}: set USAGE_BILLING_LOGS to where they are")
    asked = Asked(id=wanted, level=level.upper() if level else None, process=process, since=start)
    room = limit or (None if since else _LAST)
    for line in deque(_asked_for(files.lines(), asked, as_json=as_json), maxlen=room):
        click.echo(line)
    if follow:
        _go_on(files, asked, as_json=as_json)


def _go_on(files: LogFiles, asked: Asked, *, as_json: bool) -> None:
    for line in _asked_for(files.follow(), asked, as_json=as_json):
        click.echo(line)


def _asked_for(lines: Iterator[str], asked: Asked, *, as_json: bool) -> Iterator[str]:
    from usage_billing.cli.logbook.entries import as_json_line, as_text, read_entry

    for line in lines:
        entry = read_entry(line)
        if asked.fits(line, entry):
            yield as_json_line(entry) if as_json else as_text(entry)
